import { isIPv4 } from "node:net";
import { DerError } from "./der-reader.ts";

/** An address as an iPAddress name has it: 4 or 16 octets in network order (RFC 5280 §4.2.1.6). */
export function addressOctets(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // The URL parser knows every way of writing one (RFC 4291 §2.2), dotted tails too, and has one of its own.
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const left = groups(head);
  const right = groups(tail ?? "");
  const middle = Array<string>(8 - left.length - right.length).fill("0");
  const all = tail === undefined ? left : [...left, ...middle, ...right];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

/** The address that these octets are, IPv6 in eight groups. Throws DerError. */
export function addressFrom(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) throw new DerError("an address of neither 4 nor 16 octets");
  const hex = Buffer.from(octets).toString("hex");
  return (hex.match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, "")).join(":");
}
