import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerError, DerReader, requireDer } from "../../src/x509/der-reader.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const nested = (depth: number): Buffer => {
  let inner: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) inner = Buffer.concat([Buffer.of(0x30, inner.length), inner]);
  return inner;
};

const notDer: readonly (readonly [string, Buffer, string])[] = [
  ["an indefinite length", bytes("30 80 05 00 00 00"), "indefinite length"],
  ["a long form where the short one does", bytes("04 81 01 00"), "length not minimal"],
  ["a leading zero octet in a length", bytes(`04 82 00 80${"00".repeat(128)}`), "length not minimal"],
  ["a length of five octets", bytes("04 85 00 00 00 00 01 00"), "length too large"],
  ["the reserved length 0xff", bytes("04 ff 00"), "length too large"],
  ["a length beyond the end", bytes("04 02 00"), "length beyond the end"],
  ["a length beyond the end of what is around it", bytes("30 03 04 02 00"), "length beyond the end"],
  ["a length of 4 GiB", bytes("04 84 ff ff ff ff 00"), "length beyond the end"],
  ["a tag alone", bytes("30"), "unexpected end"],
  ["a cut length", bytes("04 82 01"), "unexpected end"],
  ["a tag number above 30", bytes("1f 1f 00"), "tag number above 30"],
  ["an empty INTEGER", bytes("02 00"), "empty INTEGER"],
  ["a padded positive INTEGER", bytes("02 02 00 7f"), "INTEGER not minimal"],
  ["a padded negative INTEGER", bytes("02 02 ff 80"), "INTEGER not minimal"],
  ["a padded ENUMERATED", bytes("0a 02 00 01"), "INTEGER not minimal"],
  ["a BOOLEAN of 1", bytes("01 01 01"), "bad BOOLEAN"],
  ["an empty BOOLEAN", bytes("01 00"), "bad BOOLEAN"],
  ["a BOOLEAN of two octets", bytes("01 02 ff ff"), "bad BOOLEAN"],
  ["an empty BIT STRING", bytes("03 00"), "bad BIT STRING"],
  ["a BIT STRING with 8 unused bits", bytes("03 02 08 00"), "bad BIT STRING"],
  ["an empty BIT STRING with an unused bit", bytes("03 01 01"), "bad BIT STRING"],
  ["a BIT STRING padded with ones", bytes("03 02 01 01"), "BIT STRING padded with ones"],
  ["a NULL with contents", bytes("05 01 00"), "bad NULL"],
  ["an empty OID", bytes("06 00"), "bad OID"],
  ["an OID that ends within an arc", bytes("06 02 2a 86"), "bad OID"],
  ["an OID with a padded arc", bytes("06 03 2a 80 01"), "OID not minimal"],
  ["an endless OID", bytes(`06 41${"2a".repeat(65)}`), "bad OID"],
  ["a constructed OCTET STRING", bytes("24 03 04 01 00"), "constructed string"],
  ["a constructed UTF8String", bytes("2c 03 0c 01 41"), "constructed string"],
  ["nesting without end", nested(40), "nested too deeply"],
];

describe("strict DER", () => {
  it.each(notDer)("refuses %s", (_name, der, message) => {
    expect(() => {
      requireDer(der);
    }).toThrow(new DerError(message));
  });

  it.each(notDer.filter(([name]) => !name.startsWith("nesting")))(
    "refuses %s, deeper down too",
    (_name, der) => {
      const around = Buffer.concat([Buffer.of(0xa0, 0x81, der.length), der]);
      const wrapped = der.length < 128 ? Buffer.concat([Buffer.of(0xa0, der.length), der]) : around;
      expect(() => {
        requireDer(wrapped);
      }).toThrow(DerError);
    },
  );

  it.each([
    ["nothing", bytes("")],
    ["an INTEGER with its sign octet", bytes("02 02 00 80")],
    ["a negative INTEGER", bytes("02 01 80")],
    ["both BOOLEANs", bytes("01 01 ff 01 01 00")],
    ["a BIT STRING without bits", bytes("03 01 00")],
    ["a BIT STRING of seven bits", bytes("03 02 01 fe")],
    ["an OID of one arc octet", bytes("06 01 00")],
    ["a length of 128", bytes(`04 81 80${"00".repeat(128)}`)],
    ["a context tag with anything in it", bytes("80 02 00 01")],
    ["16 levels", nested(16)],
  ])("takes %s", (_name, der) => {
    expect(() => {
      requireDer(der);
    }).not.toThrow();
  });

  it("throws nothing but a DerError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        try {
          requireDer(random);
        } catch (error) {
          expect(error).toBeInstanceOf(DerError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the cursor", () => {
  it("reads one element after another", () => {
    const reader = new DerReader(bytes("30 06 02 01 05 03 01 00 05 00"));
    const inside = reader.enter(0x30);
    expect([...inside.integer()]).toEqual([5]);
    expect([...inside.bits()]).toEqual([]);
    inside.end();
    expect(reader.nextTag).toBe(0x05);
    expect(Buffer.from(reader.next().encoded).toString("hex")).toBe("0500");
    expect(reader.atEnd).toBe(true);
    expect(reader.nextTag).toBeUndefined();
  });

  it("refuses what is left over", () => {
    const reader = new DerReader(bytes("05 00 00"));
    reader.next();
    expect(() => {
      reader.end();
    }).toThrow(new DerError("bytes left over"));
  });

  it("refuses another tag, and the end", () => {
    expect(() => new DerReader(bytes("04 00")).enter(0x30)).toThrow(
      new DerError("expected tag 0x30, found 4"),
    );
    expect(() => new DerReader(bytes("")).read(0x02)).toThrow(
      new DerError("expected tag 0x2, found the end"),
    );
  });

  it("refuses bits that are no whole octets", () => {
    expect(() => new DerReader(bytes("03 02 01 fe")).bits()).toThrow(DerError);
    expect(() => new DerReader(bytes("03 00")).bits()).toThrow(DerError);
  });

  it.each([
    ["06 03 2a 03 04", "1.2.3.4"],
    ["06 01 27", "0.39"],
    ["06 01 28", "1.0"],
    ["06 01 4f", "1.39"],
    ["06 01 50", "2.0"],
    ["06 03 88 37 03", "2.999.3"],
    ["06 09 2a 86 48 86 f7 0d 01 01 0b", "1.2.840.113549.1.1.11"],
    ["06 0a 69 ff ff ff ff ff ff ff ff 7f", "2.25.9223372036854775807"],
  ])("reads the OID %s as %s", (hex, dotted) => {
    expect(new DerReader(bytes(hex)).oid()).toBe(dotted);
  });
});
