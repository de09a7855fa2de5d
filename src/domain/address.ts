import { BlockList, isIP } from "node:net";
import { Refusal } from "./errors.ts";

declare const brand: unique symbol;

/** An address range in its written form, such as `192.0.2.0/24`. */
export type Cidr = string & { readonly [brand]: "Cidr" };

/**
 * Reads `ADDRESS/PREFIX`, or an address alone as a range of one. Throws CIDR_INVALID.
 *
 * @returns it in its one form: bits beyond the prefix, which count for nothing, are zero, and IPv6 is as RFC 5952 has it.
 */
export function parseCidr(text: string): Cidr {
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const wellFormed = prefix === undefined || (/^(0|[1-9][0-9]{0,2})$/.test(prefix) && Number(prefix) <= bits);
  if (family === 0 || !wellFormed || rest.length > 0 || address.includes("%")) {
    throw new Refusal("CIDR_INVALID", `'${text}' is not an address range such as 192.0.2.0/24.`);
  }
  return plainRange(address, prefix === undefined ? bits : Number(prefix));
}

/** IPv4-mapped IPv6 counts as IPv4 (RFC 4291 §2.5.5.2), however it is written. */
function plainRange(address: string, prefix: number): Cidr {
  const mapped = isIP(address) === 6 && prefix >= MAPPED ? mappedIn(address) : undefined;
  const [plain, bits] = mapped === undefined ? [address, prefix] : [mapped, prefix - MAPPED];
  return `${networkOf(plain, bits)}/${String(bits)}` as Cidr;
}

/** Without the bits beyond the prefix, so that what is shown is what is matched. */
function networkOf(address: string, bits: number): string {
  if (isIP(address) === 4) return masked(address.split(".").map(Number), 8, bits).join(".");
  const [before = "", after] = canonical(address).split("::");
  const [head, tail] = [wordsOf(before), wordsOf(after ?? "")];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  const words = masked([...head, ...zeros, ...tail], 16, bits);
  return canonical(words.map((word) => word.toString(16)).join(":"));
}

function wordsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
}

/** The first so many bits, of words of a size. */
function masked(words: readonly number[], size: number, bits: number): number[] {
  return words.map((word, index) => {
    const beyond = size - Math.min(size, Math.max(0, bits - index * size));
    return (word >> beyond) << beyond;
  });
}

/** IPv6 as RFC 5952 has it, which is how URLs have it. */
function canonical(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function mappedOrPlain(address: string): string | undefined {
  return isIP(address) === 6 ? mappedIn(address) : undefined;
}

/** Of an IPv4 address in IPv6: the bits before it. */
const MAPPED = 96;

function mappedIn(address: string): string | undefined {
  const [, high = "", low = ""] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical(address)) ?? [];
  if (high === "") return undefined;
  const octets = [high, low].flatMap((part) => {
    const value = Number.parseInt(part, 16);
    return [value >> 8, value & 0xff];
  });
  return octets.join(".");
}

/** Reads an address alone, without a zone. Throws ADDRESS_INVALID. */
export function parseAddress(text: string): string {
  if (isIP(text) !== 0 && !text.includes("%")) return text;
  throw new Refusal("ADDRESS_INVALID", `'${text}' is not an address such as 192.0.2.1.`);
}

/** A test for "is this address within one of the ranges". IPv4-mapped IPv6 addresses count as IPv4. */
export function addressMatcher(ranges: readonly Cidr[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix = ""] = range.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return (address) => {
    const plain = address.startsWith("::") ? (mappedOrPlain(address) ?? address) : address;
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? "ipv4" : "ipv6");
  };
}
