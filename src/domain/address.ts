import { BlockList, isIP } from "node:net";
import { Refusal } from "./errors.ts";

declare const brand: unique symbol;

/** An address range in its written form, such as `192.0.2.0/24`. */
export type Cidr = string & { readonly [brand]: "Cidr" };

/** Reads `ADDRESS/PREFIX`, or an address alone as a range of one. Throws CIDR_INVALID. */
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
  return `${plain}/${String(bits)}` as Cidr;
}

function mappedOrPlain(address: string): string | undefined {
  return isIP(address) === 6 ? mappedIn(address) : undefined;
}

/** Of an IPv4 address in IPv6: the bits before it. */
const MAPPED = 96;

function mappedIn(address: string): string | undefined {
  const { hostname } = new URL(`http://[${address}]`);
  const [, high = "", low = ""] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
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
