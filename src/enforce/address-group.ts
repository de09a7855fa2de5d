/**
 * Whom an address counts for. An IPv6 host has a whole /64 to call from; an IPv4-mapped address counts as IPv4.
 *
 * @param address as Node writes a socket's
 */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const plain = withoutMapping(address);
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = (plain.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":");
    const octets = after.at(-1)?.includes(".") ? 1 : 0; // a dotted end is two groups
    const missing = 8 - groups.length - after.length - octets;
    groups.push(...Array<string>(missing).fill("0"), ...after);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** An IPv4 address as such, where Node writes it as IPv6 has it (RFC 4291 §2.5.5.2); any other as it is. */
export function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}
