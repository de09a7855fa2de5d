/** Which paths a route is for: `/orders`, `/orders/*` (one segment more), or `/orders/**` (it, and all below). */
export interface PathPattern {
  readonly text: string;
  /** `undefined` stands for any one segment. */
  readonly segments: readonly (string | undefined)[];
  /** Whether everything below belongs to it as well. */
  readonly isDeep: boolean;
}

/** A path in pieces, without a slash at its end: most services take it for the same without. */
export type Segments = readonly string[];

/** @returns `undefined` when it is no pattern */
export function parsePattern(text: string): PathPattern | undefined {
  const isDeep = text === "/**" || text.endsWith("/**");
  const base = isDeep ? text.slice(0, -3) : text;
  if (base === "" && isDeep) return { text, segments: [], isDeep };
  const read = segmentsOf(base.replaceAll("*", "x"));
  if (!read || /[?#%;]/.test(base)) return undefined;
  const segments = withoutLastSlash(base.slice(1).split("/"));
  if (segments.some((segment) => segment.includes("*") && segment !== "*")) return undefined;
  return { text, segments: segments.map((segment) => (segment === "*" ? undefined : segment)), isDeep };
}

/**
 * Takes a path apart. Unreserved characters may come encoded (RFC 3986 §6.2.2.2).
 *
 * @param path without query
 * @returns `undefined` for one that cannot be relied on, as for `readingsOf`
 */
export function segmentsOf(path: string): Segments | undefined {
  return readingsOf(path)?.[0];
}

/**
 * The ways in which services read a path: each of them has to lead to the same route. As it is; with everything decoded;
 * without parameters (`;`), as Java's do, and dots and spaces at the end of a segment, as Windows does; and up to a decoded `?`
 * or `#`, as those do that put a URL together from it again.
 *
 * @param path without query
 * @returns at least one; `undefined` when one of them has segments of dots and white space, or empty ones but for the last, and for encoded
 * slashes and percent signs, backslashes, controls, octets that are no ASCII, encoding that is broken or no UTF-8
 */
export function readingsOf(path: string): readonly [Segments, ...Segments[]] | undefined {
  if (!/^\/[!-~]*$/.test(path) || /[\\<>"^`{|}#]/.test(path) || dangerous.test(path)) return undefined;
  const own = path.slice(1).split("/").map(decodeUnreserved);
  if (!/[%;]|\.(?:\/|$)/.test(path)) return isFit(own) ? [withoutLastSlash(own)] : undefined;
  const decoded = decode(own);
  if (!decoded) return undefined;
  const cut = (decoded.join("/").split(/[?#]/, 1)[0] ?? "").split("/");
  const all = [own, decoded, decoded.map(bare), cut, cut.map(bare)];
  if (!all.every(isFit)) return undefined;
  const [first = [], ...others] = all.map(withoutLastSlash);
  return [first, ...others];
}

/** Slash, backslash, percent sign, NUL and other controls, and broken encoding: what becomes something else when decoded. */
const dangerous = /%(?:2f|5c|25|[01][0-9a-f]|7f|(?![0-9a-f]{2}))/i;

function decodeUnreserved(segment: string): string {
  if (!segment.includes("%")) return segment;
  return segment.replaceAll(/%([0-9a-f]{2})/gi, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
  });
}

/** @returns `undefined` for what is no UTF-8: some read a dot or a slash in more octets than it has (RFC 3629 §10) */
function decode(segments: Segments): Segments | undefined {
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** Without parameters, white space, and dots at its end. */
function bare(segment: string): string {
  const [name = ""] = segment.split(";", 1);
  let end = name.length;
  while (end > 0 && /[.\s]/.test(name.charAt(end - 1))) end -= 1;
  // What is nothing else stays what it is: no path may have it.
  return end === 0 ? name : name.slice(0, end).trimStart();
}

function withoutLastSlash(segments: Segments): Segments {
  return segments.at(-1) === "" ? segments.slice(0, -1) : segments;
}

function isFit(segments: Segments): boolean {
  const last = segments.length - 1;
  return segments.every((segment, place) => (segment === "" ? place === last : !/^[.\s]+$/.test(segment)));
}

export function matches({ segments, isDeep }: PathPattern, path: Segments): boolean {
  // /orders itself belongs to /orders/** too.
  if (isDeep ? path.length < segments.length : path.length !== segments.length) return false;
  return segments.every((segment, place) => segment === undefined || segment === path[place]);
}

/** How two patterns lie: which of them has all the paths of the other, if they share any. */
export function relationOf(
  a: PathPattern,
  b: PathPattern,
): "apart" | "same" | "within" | "around" | "crossing" {
  if (!share(a, b)) return "apart";
  const [inner, outer] = [contains(b, a), contains(a, b)];
  if (inner && outer) return "same";
  if (inner) return "within";
  return outer ? "around" : "crossing";
}

function share(a: PathPattern, b: PathPattern): boolean {
  const [long, short] = a.segments.length >= b.segments.length ? [a, b] : [b, a];
  if (long.segments.length > short.segments.length && !short.isDeep) return false;
  return short.segments.every((segment, place) => {
    const other = long.segments[place];
    return segment === undefined || other === undefined || segment === other;
  });
}

/** Whether `outer` has every path that `inner` has. */
function contains(outer: PathPattern, inner: PathPattern): boolean {
  if (inner.isDeep && !outer.isDeep) return false;
  if (outer.isDeep && inner.segments.length < outer.segments.length) return false;
  if (!outer.isDeep && inner.segments.length !== outer.segments.length) return false;
  return outer.segments.every((segment, place) => segment === undefined || segment === inner.segments[place]);
}
