import { REMOVED } from "../domain/revocation.ts";
import { enumerated, generalizedTime, sequence, time } from "./der-writer.ts";
import { extension, extensionIds } from "./extensions.ts";

/** One entry of a page: see `CertificateStore.crlPages`. */
export interface PageEntry {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly at: number;
  readonly code: number;
  readonly notAfter: number;
  readonly invalidityAt?: number;
}

/** Reads a page entry by entry. */
export function* readPage(page: string): Generator<PageEntry> {
  for (let from = 0; from < page.length;) {
    const end = page.indexOf(";", from);
    const to = end === -1 ? page.length : end;
    const first = page.indexOf(",", from);
    const second = page.indexOf(",", first + 1);
    const third = page.indexOf(",", second + 1);
    if (first === -1 || second === -1 || third === -1 || third > to)
      throw new Error("a page of CRL entries is malformed");
    yield {
      serial: page.slice(from, first),
      at: Number(page.slice(first + 1, second)),
      code: Number(page.slice(second + 1, third)),
      ...lastFields(page.slice(third + 1, to)),
    };
    from = to + 1;
  }
}

/** notAfter, and where there is one the invalidity date. */
function lastFields(text: string): Pick<PageEntry, "notAfter" | "invalidityAt"> {
  const comma = text.indexOf(",");
  if (comma === -1) return { notAfter: Number(text) };
  return { notAfter: Number(text.slice(0, comma)), invalidityAt: Number(text.slice(comma + 1)) };
}

/** SEQUENCE { serial, revocationDate, crlEntryExtensions } may be this long: a serial has at most 20 octets. */
export const LONGEST_ENTRY = 96;

/**
 * Writes an entry (RFC 5280 §5.1.2.6), a million of them a second.
 *
 * @returns the offset after it
 */
export function writeEntry(out: Buffer, offset: number, entry: PageEntry): number {
  const { serial, at, code, invalidityAt } = entry;
  const digits = serial.length;
  const isOdd = digits % 2 === 1;
  const octets = (digits + 1) >> 1;
  const isPadded = !isOdd && serial.charCodeAt(0) >= EIGHT; // the high bit would make it negative (X.690 §8.3)
  const date = revocationDate(at);
  const extensions = invalidityAt === undefined ? reasonExtension(code) : datedExtensions(code, invalidityAt);
  const number = octets + (isPadded ? 1 : 0);
  out[offset] = 0x30;
  out[offset + 1] = 2 + number + date.length + extensions.length;
  out[offset + 2] = 0x02;
  out[offset + 3] = number;
  let next = offset + 4;
  if (isPadded) out[next++] = 0;
  next += out.write(isOdd ? `0${serial}` : serial, next, "hex");
  next += date.copy(out, next);
  next += extensions.copy(out, next);
  return next;
}

const EIGHT = "8".charCodeAt(0);

/** The serial of the entry that begins there, as pages have it. */
export function serialAt(bytes: Buffer, offset: number): string {
  const start = offset + 4;
  const hex = bytes.toString("hex", start, start + (bytes[offset + 3] ?? 0));
  return hex.replace(/^0+(?=.)/, "");
}

/** Whether an entry's reason is this one. */
export function isReason(entry: Uint8Array, code: number): boolean {
  const extensions = reasonExtension(code);
  const tail = entry.subarray(entry.length - extensions.length);
  return extensions.length > 0 && extensions.equals(tail);
}

const reasons = new Map<number, Buffer>();
function reasonExtension(code: number): Buffer {
  let found = reasons.get(code);
  if (!found) {
    // "unspecified" is left out (RFC 5280 §5.3.1).
    found =
      code === 0 ? Buffer.alloc(0) : sequence(extension(extensionIds.reasonCode, false, enumerated(code)));
    reasons.set(code, found);
  }
  return found;
}

/** Few have an invalidity date (RFC 5280 §5.3.2). */
function datedExtensions(code: number, invalidityAt: number): Buffer {
  const reason = code === 0 ? [] : [extension(extensionIds.reasonCode, false, enumerated(code))];
  return sequence(...reason, extension(extensionIds.invalidityDate, false, generalizedTime(invalidityAt)));
}

/** Many entries are of the same second, and follow each other. */
let lastSecond = Number.NaN;
let lastDate: Buffer = Buffer.alloc(0);
function revocationDate(at: number): Buffer {
  const second = Math.floor(at / 1000);
  if (second !== lastSecond) {
    lastDate = quickTime(second) ?? time(at);
    lastSecond = second;
  }
  return lastDate;
}

const DAY = 86_400;
let lastDay = Number.NaN;
const dated = Buffer.alloc(15);
/** UTCTime by its day, which seldom changes; `undefined` from 2050 on. */
function quickTime(second: number): Buffer | undefined {
  const day = Math.floor(second / DAY);
  if (day !== lastDay) {
    const whole = time(day * DAY * 1000);
    if (whole.length !== dated.length) return undefined;
    whole.copy(dated);
    lastDay = day;
  }
  const rest = second - day * DAY;
  twoDigits(8, Math.floor(rest / 3600));
  twoDigits(10, Math.floor(rest / 60) % 60);
  twoDigits(12, rest % 60);
  return dated;
}

function twoDigits(offset: number, value: number): void {
  dated[offset] = 0x30 + Math.floor(value / 10);
  dated[offset + 1] = 0x30 + (value % 10);
}

/** Whether it is a removal, which only deltas have. */
export function isRemoval({ code }: PageEntry): boolean {
  return code === REMOVED;
}

/** An entry by itself. */
export function entryOf(entry: PageEntry): Buffer {
  const out = Buffer.alloc(LONGEST_ENTRY);
  return out.subarray(0, writeEntry(out, 0, entry));
}
