import { describe, expect, it } from "vitest";
import { addressMatcher, parseCidr } from "../../src/domain/address.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

describe("an address range", () => {
  it.each([
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["192.0.2.7", "192.0.2.7/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8::/32", "2001:db8::/32"],
    ["2001:db8::1", "2001:db8::1/128"],
    ["::/0", "::/0"],
    // What is shown of a range with host bits is what it means.
    ["192.0.2.77/24", "192.0.2.0/24"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["255.255.255.255/1", "128.0.0.0/1"],
    ["255.255.255.255/0", "0.0.0.0/0"],
    ["192.0.2.255/31", "192.0.2.254/31"],
    ["2001:db8::1/32", "2001:db8::/32"],
    ["2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/33", "2001:db8:8000::/33"],
    ["2001:db8:0:0:1:0:0:1/127", "2001:db8:0:0:1::/127"],
    ["::ffff:192.0.2.77/120", "192.0.2.0/24"],
    ["::ffff:192.0.2.77/95", "::fffe:0:0/95"],
    ["2001:0DB8::A", "2001:db8::a/128"],
    ["64:ff9b::192.0.2.1/96", "64:ff9b::/96"],
  ])("%s is read as %s", (text, range) => {
    expect(parseCidr(text)).toBe(range);
  });

  it.each([
    ["empty", ""],
    ["a prefix alone", "/24"],
    ["an empty prefix", "192.0.2.0/"],
    ["an IPv4 prefix of 33", "192.0.2.0/33"],
    ["an IPv6 prefix of 129", "2001:db8::/129"],
    ["a prefix with a leading zero", "192.0.2.0/024"],
    ["a negative prefix", "192.0.2.0/-1"],
    ["a fractional prefix", "192.0.2.0/24.5"],
    ["a netmask", "192.0.2.0/255.255.255.0"],
    ["two prefixes", "192.0.2.0/24/8"],
    ["a space", "192.0.2.0 /24"],
    ["three octets", "192.0.2/24"],
    ["an octet of 256", "192.0.2.256"],
    ["an octet with a leading zero, which some read as octal", "192.0.2.010"],
    ["a zone id", "fe80::1%eth0/64"],
    ["a zone id without a prefix", "fe80::1%1"],
    ["brackets", "[2001:db8::]/32"],
    ["a host name", "localhost"],
  ])("is not %s", (_name, text) => {
    expect(refusalOf(() => parseCidr(text))).toEqual({
      code: "CIDR_INVALID",
      message: `'${text}' is not an address range such as 192.0.2.0/24.`,
    });
  });
});

describe("matching", () => {
  it.each([
    ["within an IPv4 range", ["192.0.2.0/24"], "192.0.2.255", true],
    ["one below it", ["192.0.2.0/24"], "192.0.1.255", false],
    ["one above it", ["192.0.2.0/24"], "192.0.3.0", false],
    ["a range written with host bits", ["192.0.2.77/24"], "192.0.2.1", true],
    ["a single address", ["192.0.2.7"], "192.0.2.7", true],
    ["its neighbour", ["192.0.2.7"], "192.0.2.8", false],
    ["any IPv4 address", ["0.0.0.0/0"], "203.0.113.9", true],
    ["IPv6 is not within all of IPv4", ["0.0.0.0/0"], "2001:db8::1", false],
    ["IPv4 is not within a range of IPv6", ["2001:db8::/32"], "192.0.2.1", false],
    ["within an IPv6 range", ["2001:db8::/32"], "2001:db8:ffff::1", true],
    ["outside it", ["2001:db8::/32"], "2001:db9::1", false],
    ["IPv6 in another spelling", ["2001:db8::1"], "2001:0DB8:0:0:0:0:0:1", true],
    ["IPv4 mapped into IPv6, as a dual-stack socket reports it", ["192.0.2.0/24"], "::ffff:192.0.2.1", true],
    ["mapped, in upper case", ["192.0.2.0/24"], "::FFFF:192.0.2.1", true],
    ["mapped, in hex", ["192.0.2.0/24"], "::ffff:c000:201", true],
    ["mapped, in hex, outside", ["192.0.2.0/24"], "::ffff:c000:301", false],
    ["mapped, outside", ["192.0.2.0/24"], "::ffff:192.0.3.1", false],
    ["a range written mapped", ["::ffff:192.0.2.0/120"], "192.0.2.1", true],
    ["a range written mapped, outside", ["::ffff:192.0.2.0/120"], "192.0.3.1", false],
    ["the second of two ranges", ["192.0.2.0/24", "2001:db8::/32"], "2001:db8::5", true],
    ["no ranges allow nobody", [], "192.0.2.1", false],
    ["what is no address", ["0.0.0.0/0", "::/0"], "localhost", false],
    ["an empty address", ["0.0.0.0/0", "::/0"], "", false],
  ])("%s", (_name, ranges, address, within) => {
    expect(addressMatcher(ranges.map(parseCidr))(address)).toBe(within);
  });
});
