import { describe, expect, it } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { allowedAddresses, allowedDnsNames, dnsName, parseDnsRule } from "../../src/domain/host-names.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

describe("a DNS name", () => {
  it.each([
    ["db", "db"],
    ["DB.Example.Internal", "db.example.internal"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["a-1.b", "a-1.b"],
    ["3com.example", "3com.example"],
    ["a".repeat(63), "a".repeat(63)],
    [`${"a".repeat(61)}.`.repeat(4).slice(0, -1), `${"a".repeat(61)}.`.repeat(4).slice(0, -1)],
  ])("%s is one, in lower case", (text, name) => {
    expect(dnsName(text)).toBe(name);
  });

  it.each([
    ["empty", ""],
    ["a dot", "."],
    ["a final dot", "db.example."],
    ["a leading dot", ".example"],
    ["an empty label", "a..b"],
    ["a wildcard", "*.example.internal"],
    ["a wildcard within a label", "d*.example.internal"],
    ["an underscore", "_tcp.example"],
    ["a hyphen first", "-a.example"],
    ["a hyphen last", "a-.example"],
    ["a label of 64", `${"a".repeat(64)}.example`],
    ["254 characters", `${"a.".repeat(126)}bb`],
    ["an IPv4 address", "127.0.0.1"],
    ["a number at the end", "host.1"],
    ["an IPv6 address", "::1"],
    ["a space", "db example"],
    ["a NUL", "db.example\0.evil"],
    ["a line break", "db.example\n"],
    ["a comma and another name", "db.example,DNS:evil.example"],
    ["a URL", "https://db.example"],
    ["a port", "db.example:443"],
    ["a letter that is not ASCII", "bücher.example"],
    ["a letter that lower-cases to ASCII", "\u212Aeys.example"],
  ])("is not %s", (_name, text) => {
    expect(dnsName(text)).toBeUndefined();
  });
});

describe("a rule for DNS names", () => {
  it.each([
    ["db.example.internal", "db.example.internal"],
    [".Example.Internal", ".example.internal"],
  ])("%s", (text, rule) => {
    expect(parseDnsRule(text)).toBe(rule);
  });

  it.each([".", "..a", "*.example", "", ".a."])("%j is none", (text) => {
    expect(refusalOf(() => parseDnsRule(text))).toEqual({
      code: "DNS_NAME_INVALID",
      message: `'${text}' is not a DNS name such as db.example.internal, or .example.internal for all below.`,
    });
  });
});

describe("of the DNS names asked for", () => {
  const rules = ["db.example.internal", ".apps.example.internal"].map(parseDnsRule);

  it.each([
    ["equals a rule", "db.example.internal"],
    ["equals a rule, in another case", "DB.EXAMPLE.INTERNAL"],
    ["lies one label below a suffix", "web.apps.example.internal"],
    ["lies several labels below a suffix", "a.b.apps.example.internal"],
  ])("what %s is put in", (_name, asked) => {
    expect(allowedDnsNames([asked], rules)).toEqual([asked.toLowerCase()]);
  });

  it.each([
    ["is somebody else's", "db.example.org"],
    ["lies below a name that is no suffix", "x.db.example.internal"],
    ["is the suffix itself", "apps.example.internal"],
    ["ends like a suffix, within a label", "evilapps.example.internal"],
    ["has the rule as its beginning", "db.example.internal.evil.org"],
    ["is a wildcard below a suffix", "*.apps.example.internal"],
    ["hides another name behind a NUL", "db.example.internal\0.evil.org"],
    ["has a final dot", "db.example.internal."],
  ])("what %s is left out", (_name, asked) => {
    expect(allowedDnsNames([asked], rules)).toEqual([]);
  });

  it("each is put in once, in its order, beside what is left out", () => {
    const asked = ["b.apps.example.internal", "evil.org", "db.example.internal", "B.apps.example.internal"];
    expect(allowedDnsNames(asked, rules)).toEqual(["b.apps.example.internal", "db.example.internal"]);
  });

  it("nothing is put in without a rule", () => {
    expect(allowedDnsNames(["db.example.internal"], [])).toEqual([]);
  });
});

describe("of the addresses asked for", () => {
  const ranges = ["10.1.0.0/16", "2001:db8::/32"].map(parseCidr);

  it.each(["10.1.2.3", "2001:db8:0:0:0:0:0:1"])("%s, which is within a range, is put in", (address) => {
    expect(allowedAddresses([address], ranges)).toEqual([address]);
  });

  it.each([
    ["outside", "10.2.0.1"],
    ["of the other family", "::1"],
    ["IPv4 in IPv6 clothing", "0:0:0:0:0:ffff:a01:203"],
    ["the same, as people write it", "::ffff:10.1.2.3"],
    ["everything", "0.0.0.0"],
  ])("one that is %s is left out", (_name, address) => {
    expect(allowedAddresses([address], ranges)).toEqual([]);
  });

  it("nothing is put in without a range", () => {
    expect(allowedAddresses(["10.1.2.3"], [])).toEqual([]);
  });
});
