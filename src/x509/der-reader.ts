/** Thrown for bytes that are not strict DER, or not what the caller expects there. */
export class DerError extends Error {
  override readonly name = "DerError";
}

export interface DerElement {
  readonly tag: number;
  /** The contents octets. */
  readonly contents: Uint8Array;
  /** Identifier, length and contents octets. */
  readonly encoded: Uint8Array;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  relativeOid: 0x0d,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Few are met again and again, and decoding takes as long as all else in an extension. */
const decodedOids = new Map<string, string>();

const CONSTRUCTED = 0x20;
/** For future editions (X.680, table 1). */
const RESERVED = 0x0f;
const DEEPEST = 16;

/** A cursor over DER (X.690 §10): definite, minimal lengths; low tag numbers only; no bytes left over. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The next element's tag, or `undefined` at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  next(): DerElement {
    const start = this.#offset;
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f) throw new DerError("tag number above 30");
    const length = this.#length();
    const from = this.#offset;
    if (length > this.#bytes.length - from) throw new DerError("length beyond the end");
    this.#offset = from + length;
    return {
      tag,
      contents: this.#bytes.subarray(from, this.#offset),
      encoded: this.#bytes.subarray(start, this.#offset),
    };
  }

  read(tag: number): DerElement {
    if (this.nextTag !== tag) {
      throw new DerError(
        `expected tag 0x${tag.toString(16)}, found ${this.nextTag?.toString(16) ?? "the end"}`,
      );
    }
    return this.next();
  }

  /** Enters a constructed element. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).contents);
  }

  oid(): string {
    const { contents } = this.read(tags.oid);
    const hex = Buffer.from(contents.buffer, contents.byteOffset, contents.length).toString("hex");
    const known = decodedOids.get(hex);
    if (known !== undefined) return known;
    const dotted = decodeOid(contents);
    // What strangers send is of no limited number.
    if (decodedOids.size < 256) decodedOids.set(hex, dotted);
    return dotted;
  }

  /** A non-negative or negative INTEGER's contents, minimally encoded. */
  integer(): Uint8Array {
    const { contents } = this.read(tags.integer);
    requireMinimalInteger(contents);
    return contents;
  }

  /** A BIT STRING of whole octets. */
  bits(): Uint8Array {
    const { contents } = this.read(tags.bitString);
    if (contents[0] !== 0) throw new DerError("expected a BIT STRING of whole octets");
    return contents.subarray(1);
  }

  end(): void {
    if (!this.atEnd) throw new DerError("bytes left over");
  }

  #octet(): number {
    const octet = this.#bytes[this.#offset];
    if (octet === undefined) throw new DerError("unexpected end");
    this.#offset += 1;
    return octet;
  }

  #length(): number {
    const first = this.#octet();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw new DerError("indefinite length");
    if (count > 4) throw new DerError("length too large");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#octet();
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("length not minimal");
    return length;
  }
}

/** Throws unless all of `bytes` is DER, down to every primitive of the universal types that DER constrains. */
export function requireDer(bytes: Uint8Array, depth = 0): void {
  if (depth > DEEPEST) throw new DerError("nested too deeply");
  const reader = new DerReader(bytes);
  while (!reader.atEnd) {
    const { tag, contents } = reader.next();
    const isUniversal = tag < 0x40;
    if (tag & CONSTRUCTED) {
      if (isUniversal && tag !== tags.sequence && tag !== tags.set) throw new DerError("constructed string");
      requireDer(contents, depth + 1);
    } else if (isUniversal) {
      requirePrimitive(tag, contents);
    }
  }
}

function requirePrimitive(tag: number, contents: Uint8Array): void {
  switch (tag) {
    case tags.boolean:
      if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff))
        throw new DerError("bad BOOLEAN");
      break;
    case tags.integer:
    case tags.enumerated:
      requireMinimalInteger(contents);
      break;
    case tags.bitString:
      requireBitString(contents);
      break;
    case tags.null:
      if (contents.length > 0) throw new DerError("bad NULL");
      break;
    case tags.oid:
    case tags.relativeOid:
      requireOid(contents);
      break;
    case tags.utf8String:
      requireUtf8(contents);
      break;
    case tags.bmpString:
      requireCharacters(contents, 2, "BMPString");
      break;
    case tags.universalString:
      requireCharacters(contents, 4, "UniversalString");
      break;
    case tags.utcTime:
      requireText(contents, /^\d{12}Z$/, "UTCTime");
      break;
    case tags.generalizedTime:
      requireText(contents, /^\d{14}(\.\d*[1-9])?Z$/, "GeneralizedTime");
      break;
    case tags.sequence & ~CONSTRUCTED:
    case tags.set & ~CONSTRUCTED:
    case 0:
      throw new DerError("a SEQUENCE or SET that is not constructed");
    case RESERVED:
      throw new DerError("a tag that means nothing");
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function requireUtf8(contents: Uint8Array): void {
  try {
    utf8.decode(contents);
  } catch {
    throw new DerError("bad UTF8String");
  }
}

/** Characters of that many octets; the halves of surrogate pairs are none. */
function requireCharacters(contents: Uint8Array, size: 2 | 4, name: string): void {
  const octets = Buffer.from(contents.buffer, contents.byteOffset, contents.length);
  let isRight = octets.length % size === 0;
  for (let at = 0; isRight && at < octets.length; at += size) {
    const code = octets.readUIntBE(at, size);
    isRight = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  }
  if (!isRight) throw new DerError(`bad ${name}`);
}

function requireText(contents: Uint8Array, form: RegExp, name: string): void {
  if (!form.test(Buffer.from(contents).toString("latin1"))) throw new DerError(`bad ${name}`);
}

function requireMinimalInteger(contents: Uint8Array): void {
  const [first, second] = contents;
  if (first === undefined) throw new DerError("empty INTEGER");
  const padded =
    second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (padded) throw new DerError("INTEGER not minimal");
}

function requireBitString(contents: Uint8Array): void {
  const unused = contents[0];
  const last = contents.at(-1) ?? 0;
  const padding = unused === undefined ? 0 : (1 << unused) - 1;
  if (unused === undefined || unused > 7 || (contents.length === 1 && unused > 0)) {
    throw new DerError("bad BIT STRING");
  }
  if (contents.length > 1 && (last & padding) !== 0) throw new DerError("BIT STRING padded with ones");
}

/** Arcs in base 128, none with leading zeros (X.690 §8.19). */
function requireOid(contents: Uint8Array): void {
  let atStart = true;
  for (const octet of contents) {
    if (atStart && octet === 0x80) throw new DerError("OID not minimal");
    atStart = octet < 0x80;
  }
  if (contents.length === 0 || contents.length > 64 || !atStart) throw new DerError("bad OID");
}

function decodeOid(contents: Uint8Array): string {
  requireOid(contents);
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of contents) {
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    if (octet & 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [first = 0n, ...rest] = arcs;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join(".");
}
