import type { Instant } from "../domain/time.ts";
import { tags } from "./der-reader.ts";

/** One element of any tag around the given contents. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of contents) length += part.length;
  const header = headerLength(length);
  const out = Buffer.allocUnsafe(header + length);
  let offset = writeHeader(out, 0, tag, length);
  for (const part of contents) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** How long an element's tag and length are. */
export function headerLength(length: number): number {
  return length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6;
}

/** Writes an element's tag and length; returns the offset after them. */
export function writeHeader(out: Buffer, offset: number, tag: number, length: number): number {
  const header = headerLength(length);
  out[offset] = tag;
  if (header === 2) {
    out[offset + 1] = length;
  } else {
    out[offset + 1] = 0x80 | (header - 2);
    out.writeUIntBE(length, offset + 2, header - 2);
  }
  return offset + header;
}

export function sequence(...contents: readonly Uint8Array[]): Buffer {
  return element(tags.sequence, ...contents);
}

export function set(...contents: readonly Uint8Array[]): Buffer {
  return element(tags.set, ...contents);
}

/** A context-specific tag: constructed for EXPLICIT and for IMPLICIT of a constructed type, else primitive. */
export function context(number: number, constructed: boolean, ...contents: readonly Uint8Array[]): Buffer {
  return element(0x80 | (constructed ? 0x20 : 0) | number, ...contents);
}

/** A non-negative INTEGER from hex digits or a number. */
export function integer(value: string | number): Buffer {
  const hex = typeof value === "number" ? value.toString(16) : value;
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return (octets[0] ?? 0) < 0x80
    ? element(tags.integer, octets)
    : element(tags.integer, Buffer.of(0), octets);
}

export function enumerated(value: number): Buffer {
  return element(tags.enumerated, Buffer.of(value));
}

export function boolean(value: boolean): Buffer {
  return element(tags.boolean, Buffer.of(value ? 0xff : 0));
}

export function nothing(): Buffer {
  return element(tags.null);
}

export function octetString(contents: Uint8Array): Buffer {
  return element(tags.octetString, contents);
}

/** A BIT STRING; `unused` bits at its end do not count. */
export function bitString(contents: Uint8Array, unused = 0): Buffer {
  return element(tags.bitString, Buffer.of(unused), contents);
}

export function utf8String(text: string): Buffer {
  return element(tags.utf8String, Buffer.from(text, "utf8"));
}

/** An OBJECT IDENTIFIER; each is encoded once. */
export function oid(dotted: string): Buffer {
  const known = oids.get(dotted) ?? encodeOid(dotted);
  oids.set(dotted, known);
  return known;
}

/** All of them are in the source: nobody else makes it grow. */
const oids = new Map<string, Buffer>();

function encodeOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    octets.push(...groups);
  }
  return element(tags.oid, Buffer.from(octets));
}

/** UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5); whole seconds. */
export function time(instant: Instant): Buffer {
  const digits = timeDigits(instant);
  return digits < "2050"
    ? element(tags.utcTime, Buffer.from(`${digits.slice(2)}Z`, "latin1"))
    : generalizedTime(instant);
}

/** GeneralizedTime in UTC, in whole seconds: OCSP and invalidity dates know no other (RFC 5280 §4.1.2.5.2). */
export function generalizedTime(instant: Instant): Buffer {
  return element(tags.generalizedTime, Buffer.from(`${timeDigits(instant)}Z`, "latin1"));
}

/** YYYYMMDDHHMMSS */
function timeDigits(instant: Instant): string {
  // YYYY-MM-DDTHH:MM:SS.sssZ
  const iso = new Date(instant).toISOString();
  const part = (from: number): string => iso.slice(from, from + 2);
  return part(0) + part(2) + part(5) + part(8) + part(11) + part(14) + part(17);
}
