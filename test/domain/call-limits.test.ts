import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cidr, parseCidr } from "../../src/domain/address.ts";
import {
  addressRule,
  formatRate,
  parseBurst,
  parseMaxConnections,
  parseRate,
  withBurst,
} from "../../src/domain/call-limits.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

describe("a rate", () => {
  test.each([
    ["100/1m", { count: 100, interval: MINUTE, burst: 100 }],
    ["1/1s", { count: 1, interval: SECOND, burst: 1 }],
    ["5000/12h", { count: 5000, interval: 12 * HOUR, burst: 5000 }],
    ["1000000000/1d", { count: 1e9, interval: DAY, burst: 1e9 }],
  ])("%s is read, and written the same", (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
    expect(formatRate(rate)).toBe(text);
  });

  test.each([
    "",
    "100",
    "0/1m",
    "-1/1m",
    "1.5/1m",
    "100/0s",
    "100/2d",
    "1000000001/1s",
    "1e3/1m",
    "100/1m ",
    "100/m",
  ])("is not '%s'", (text) => {
    expect(refusalOf(() => parseRate(text))).toEqual({
      code: "RATE_INVALID",
      message: `'${text}' is not a rate such as 100/1m: so many requests in a time from 1s to 1d, in s, m, h or d.`,
    });
  });

  test("gets another burst, which is nothing without a rate", () => {
    expect(withBurst(parseRate("10/1s"), 3)).toEqual({ count: 10, interval: SECOND, burst: 3 });
    expect(withBurst(parseRate("10/1s"), undefined)).toEqual(parseRate("10/1s"));
    expect(refusalOf(() => withBurst(undefined, 3)).code).toBe("RATE_INVALID");
    expect(withBurst({ count: 10, interval: SECOND, burst: 3 }, parseBurst(""))).toEqual(parseRate("10/1s"));
    for (const text of ["0", "-1", "1.5", "1000000001"])
      expect(refusalOf(() => parseBurst(text)).code).toBe("RATE_INVALID");
  });
});

test("connections at once are one to a million", () => {
  expect(["1", "1000000"].map(parseMaxConnections)).toEqual([1, 1e6]);
  for (const text of ["0", "1000001", "", "-1", "two"])
    expect(refusalOf(() => parseMaxConnections(text)).code).toBe("LIMIT_INVALID");
});

describe("addresses", () => {
  const rule = (allowIps: readonly string[], denyIps: readonly string[]) =>
    addressRule({ allowIps: allowIps.map(parseCidr), denyIps: denyIps.map(parseCidr) });

  test("without a rule, any", () => {
    expect(rule([], [])).toBeUndefined();
  });

  test.each([
    ["denied, and nothing else is said", [], ["192.0.2.0/24"], "192.0.2.1", false],
    ["not among the denied", [], ["192.0.2.0/24"], "198.51.100.1", true],
    ["allowed, and denied too", ["192.0.2.0/24"], ["192.0.2.1"], "192.0.2.1", false],
    ["allowed, its neighbour denied", ["192.0.2.0/24"], ["192.0.2.1"], "192.0.2.2", true],
    ["denied, met as IPv4-mapped", [], ["192.0.2.0/24"], "::ffff:192.0.2.1", false],
    ["denied, met as IPv4-mapped in hex", [], ["192.0.2.0/24"], "::ffff:c000:201", false],
    ["denied in mapped form", [], ["::ffff:192.0.2.0/120"], "192.0.2.1", false],
    ["denied in mapped form, in hex and in full", [], ["0:0:0:0:0:ffff:c000:200/120"], "192.0.2.1", false],
    ["allowed in mapped form", ["::ffff:192.0.2.0/120"], [], "192.0.2.1", true],
    ["of IPv6, denied", [], ["2001:db8::/32"], "2001:db8::1", false],
    ["of IPv6, denied, with a zone", [], ["fe80::/10"], "fe80::1%eth0", false],
    ["of IPv6, where IPv4 is denied", [], ["0.0.0.0/0"], "2001:db8::1", true],
    ["none at all", [], ["192.0.2.0/24"], "", false],
    ["no address", [], ["192.0.2.0/24"], "localhost", false],
  ])("%s", (_name, allow, deny, address, isAllowed) => {
    expect(rule(allow, deny)?.(address)).toBe(isAllowed);
  });

  test("agree with arithmetic, in whatever form", () => {
    const octets = fc.tuple(fc.constantFrom(10, 11), fc.nat(3), fc.constantFrom(0, 255), fc.nat(255));
    const ranges = fc.array(fc.record({ octets, prefix: fc.nat(32), isMapped: fc.boolean() }), {
      maxLength: 4,
    });
    const written = (address: readonly number[]): string => address.join(".");
    const holds = (address: number, of: { octets: readonly number[]; prefix: number }): boolean =>
      of.prefix === 0 || (address ^ numberOf(of.octets)) >>> (32 - of.prefix) === 0;
    fc.assert(
      fc.property(ranges, ranges, octets, fc.boolean(), (allow, deny, address, isMapped) => {
        const cidrs = (list: typeof allow): Cidr[] =>
          list.map((of) =>
            parseCidr(
              of.isMapped
                ? `::ffff:${written(of.octets)}/${String(of.prefix + 96)}`
                : `${written(of.octets)}/${String(of.prefix)}`,
            ),
          );
        const found = addressRule({ allowIps: cidrs(allow), denyIps: cidrs(deny) });
        const number = numberOf(address);
        const isAllowed = allow.length === 0 || allow.some((of) => holds(number, of));
        const wanted = isAllowed && !deny.some((of) => holds(number, of));
        expect(found?.(isMapped ? `::ffff:${written(address)}` : written(address)) ?? true).toBe(wanted);
      }),
    );
  });
});

function numberOf(octets: readonly number[]): number {
  return octets.reduce((number, octet) => ((number << 8) | octet) >>> 0, 0);
}
