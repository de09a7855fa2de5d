/** A provider gives a home or an office so many bits of IPv6 (RFC 6177 §2), which is 256 hosts' /64. */
const BITS = 56;

/**
 * The network that an address group is in. One line has a whole /56 to call from; an IPv4 address is a network of its own.
 *
 * @param addressGroup an IPv4 address, or an IPv6 /64 such as `2001:db8:0:42ff::/64`
 */
export function networkOf(addressGroup: string): string {
  return groupsBeside(addressGroup)[0] ?? addressGroup;
}

/** All address groups of that network, the first one first. */
export function groupsBeside(addressGroup: string): readonly string[] {
  const [, head, last = ""] = /^((?:[0-9a-f]{1,4}:){3})([0-9a-f]{1,4})::\/64$/i.exec(addressGroup) ?? [];
  if (head === undefined) return [addressGroup];
  const size = 2 ** (64 - BITS);
  const first = Math.floor(Number.parseInt(last, 16) / size) * size;
  return Array.from({ length: size }, (_, index) => `${head}${(first + index).toString(16)}::/64`);
}
