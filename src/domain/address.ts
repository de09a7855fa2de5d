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
  return `${address}/${prefix ?? String(bits)}` as Cidr;
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
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? "ipv4" : "ipv6");
  };
}
