import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader, requireDer } from "../../src/x509/der-reader.ts";
import {
  bitString,
  boolean,
  context,
  element,
  enumerated,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from "../../src/x509/der-writer.ts";

describe("writing DER", () => {
  it.each([
    ["NULL", nothing(), "0500"],
    ["TRUE", boolean(true), "0101ff"],
    ["FALSE", boolean(false), "010100"],
    ["zero", integer(0), "020100"],
    ["a number below the sign bit", integer(127), "02017f"],
    ["a number with the sign bit", integer(128), "02020080"],
    ["a number of an odd count of digits", integer("abc"), "02020abc"],
    ["a serial with its high bit set", integer(`ff${"00".repeat(15)}`), `021100ff${"00".repeat(15)}`],
    ["ENUMERATED", enumerated(4), "0a0104"],
    ["bits", bitString(Buffer.of(0x80), 7), "03020780"],
    ["octets", octetString(Buffer.of(1, 2)), "04020102"],
    ["UTF-8", utf8String("é"), "0c02c3a9"],
    ["an OID", oid("1.2.840.113549.1.1.11"), "06092a864886f70d01010b"],
    ["an OID below 2", oid("2.999.3"), "0603883703"],
    ["an explicit tag", context(0, true, nothing()), "a0020500"],
    ["an implicit tag", context(6, false, Buffer.from("a")), "860161"],
    ["SEQUENCE and SET", sequence(set(), nothing()), "300431000500"],
  ])("%s", (_name, der, hex) => {
    expect(der.toString("hex")).toBe(hex);
    requireDer(der);
  });

  it.each([
    [0, "0400"],
    [127, "047f"],
    [128, "048180"],
    [255, "0481ff"],
    [256, "04820100"],
    [65_535, "0482ffff"],
    [65_536, "0483010000"],
    [16_777_216, "048401000000"],
  ])("a length of %i octets", (length, header) => {
    const der = element(0x04, Buffer.alloc(length));
    expect(der.subarray(0, header.length / 2).toString("hex")).toBe(header);
    expect(der.length).toBe(header.length / 2 + length);
  });

  it.each([
    ["2049-12-31T23:59:59Z", "170d3439313233313233353935395a"],
    ["2050-01-01T00:00:00Z", `180f${Buffer.from("20500101000000Z").toString("hex")}`],
    ["2030-01-31T12:00:00.999Z", `170d${Buffer.from("300131120000Z").toString("hex")}`],
    ["9999-12-31T23:59:59Z", `180f${Buffer.from("99991231235959Z").toString("hex")}`],
  ])("%s as RFC 5280 §4.1.2.5 has it", (text, hex) => {
    expect(time(Date.parse(text)).toString("hex")).toBe(hex);
  });

  it("reads back what it writes: numbers", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 160n), (number) => {
        const der = integer(number.toString(16));
        requireDer(der);
        const contents = Buffer.from(new DerReader(der).integer()).toString("hex");
        expect(BigInt(`0x${contents}`)).toBe(number);
      }),
    );
  });

  it("reads back what it writes: OIDs", () => {
    const arc = fc.nat(2 ** 31 - 1);
    const first = fc.oneof(fc.tuple(fc.nat(1), fc.nat(39)), fc.tuple(fc.constant(2), fc.nat(10_000)));
    fc.assert(
      fc.property(first, fc.array(arc, { maxLength: 8 }), (root, rest) => {
        const dotted = [...root, ...rest].join(".");
        expect(new DerReader(oid(dotted)).oid()).toBe(dotted);
      }),
    );
  });
});
