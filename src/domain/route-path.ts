/** Which paths a route is for: `/orders`, `/orders/*` (one segment more), or `/orders/**` (it, and all below). */
export interface PathPattern {
  readonly text: string;
  /** `undefined` stands for any one segment. */
  readonly segments: readonly (string | undefined)[];
  /** Whether everything below belongs to it as well. */
  readonly isDeep: boolean;
}

/** A path in pieces, as every upstream reads it. */
export type Segments = readonly string[];

/** @returns `undefined` when it is no pattern */
export function parsePattern(text: string): PathPattern | undefined {
  const isDeep = text === "/**" || text.endsWith("/**");
  const base = isDeep ? text.slice(0, -3) : text;
  if (base === "" && isDeep) return { text, segments: [], isDeep };
  const parts = base.split("*").join("x");
  const read = segmentsOf(parts);
  if (!read || /[?#%]/.test(base)) return undefined;
  const segments = base.slice(1).split("/");
  if (segments.some((segment) => segment.includes("*") && segment !== "*")) return undefined;
  return { text, segments: segments.map((segment) => (segment === "*" ? undefined : segment)), isDeep };
}

/**
 * Takes a path apart, when there is only one way to read it. Unreserved characters may come encoded (RFC 3986 §6.2.2.2).
 *
 * @param path without query
 * @returns `undefined` for one that upstreams read differently: dot segments, empty segments, encoded slashes and dots,
 * backslashes, controls, octets that are no ASCII, broken encoding. The last segment alone may be empty
 */
export function segmentsOf(path: string): Segments | undefined {
  if (!/^\/[!-~]*$/.test(path) || /[\\<>"^`{|}#]/.test(path)) return undefined;
  const segments = path.slice(1).split("/").map(decodeUnreserved);
  const last = segments.length - 1;
  const isFit = segments.every(
    (segment, place) =>
      segment !== undefined && (segment !== "" || place === last) && !isDots(segment.split(";", 1)[0]),
  );
  return isFit ? (segments as Segments) : undefined;
}

/** Slash, backslash, percent sign, NUL and other controls: what a decoding upstream takes for something else. */
const dangerous = /%(?:2f|5c|25|[01][0-9a-f]|7f)/i;

function decodeUnreserved(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  if (/%(?![0-9a-f]{2})/i.test(segment) || dangerous.test(segment)) return undefined;
  return segment.replaceAll(/%([0-9a-f]{2})/gi, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
  });
}

function isDots(segment: string | undefined): boolean {
  return segment === "." || segment === "..";
}

export function matches({ segments, isDeep }: PathPattern, path: Segments): boolean {
  // /orders/ is below /orders/**, and so is /orders itself.
  if (isDeep ? path.length < segments.length : path.length !== segments.length) return false;
  return segments.every((segment, place) =>
    segment === undefined ? path[place] !== "" : segment === path[place],
  );
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
    if (segment === undefined) return other !== "";
    return other === undefined ? segment !== "" : segment === other;
  });
}

/** Whether `outer` has every path that `inner` has. */
function contains(outer: PathPattern, inner: PathPattern): boolean {
  if (inner.isDeep && !outer.isDeep) return false;
  if (outer.isDeep ? inner.segments.length < outer.segments.length : false) return false;
  if (!outer.isDeep && inner.segments.length !== outer.segments.length) return false;
  return outer.segments.every((segment, place) => {
    const other = inner.segments[place];
    // A star has no empty segment, a deep pattern may go on with one.
    return segment === undefined ? other !== "" : segment === other;
  });
}
