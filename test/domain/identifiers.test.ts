import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fingerprintOf,
  parseCertificateId,
  parseFingerprint,
  parseIssuerId,
  parseSerial,
  serialFrom,
} from "../../src/domain/identifiers.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const fingerprint = createHash("sha256").update("a certificate").digest("hex");
const colons = (hex: string): string => hex.replace(/..(?=.)/g, "$&:");

describe("a fingerprint", () => {
  it.each([
    ["as stored", fingerprint],
    ["in upper case", fingerprint.toUpperCase()],
    ["with colons", colons(fingerprint)],
    ["as Node and OpenSSL print it", colons(fingerprint).toUpperCase()],
  ])("is read %s", (_name, text) => {
    expect(parseFingerprint(text)).toBe(fingerprint);
  });

  it("is SHA-256 over the bytes", () => {
    expect(fingerprintOf(Buffer.from("a certificate"))).toBe(fingerprint);
  });

  it.each([
    ["empty", ""],
    ["SHA-1", "a".repeat(40)],
    ["a digit short", fingerprint.slice(1)],
    ["a digit long", `${fingerprint}0`],
    ["another letter", `g${fingerprint.slice(1)}`],
    ["colons in odd places", `${fingerprint.slice(0, 3)}:${fingerprint.slice(3)}`],
    ["a colon at the end", `${colons(fingerprint)}:`],
    ["a prefix", `0x${fingerprint}`],
    ["a space", ` ${fingerprint}`],
    ["a line break after it", `${fingerprint}\n`],
  ])("is not %s", (_name, text) => {
    expect(refusalOf(() => parseFingerprint(text))).toEqual({
      code: "ID_MALFORMED",
      message: "A fingerprint is 64 hex digits (SHA-256).",
    });
  });
});

describe("a serial", () => {
  const highest = `7${"f".repeat(39)}`;

  it.each([
    ["bare, in hex", "1a2b", "1a2b"],
    ["digits alone, in hex too", "10", "10"],
    ["with 0x", "0x1A2B", "1a2b"],
    ["with 0X", "0X1a2b", "1a2b"],
    ["with colons", "1A:2B:03", "1a2b03"],
    ["in decimal", "dec:6699", "1a2b"],
    ["in decimal with leading zeros", "dec:0006699", "1a2b"],
    ["with leading zeros", "000000000000000000000000000000000000000000001a2b", "1a2b"],
    ["with a leading zero octet before a high bit", "00:FF:01", "ff01"],
    ["one", "1", "1"],
    ["the highest", highest, highest],
    ["the highest, in decimal", `dec:${String(2n ** 159n - 1n)}`, highest],
  ])("is read %s", (_name, text, serial) => {
    expect(parseSerial(text)).toBe(serial);
  });

  it.each([
    ["empty", ""],
    ["zero", "0"],
    ["zero in full", "00:00"],
    ["zero with 0x", "0x0"],
    ["0x alone", "0x"],
    ["zero in decimal", "dec:0"],
    ["dec: alone", "dec:"],
    ["negative", "-1"],
    ["negative decimal", "dec:-1"],
    ["hex behind dec:", "dec:1a"],
    ["the sign bit of 20 octets", `8${"0".repeat(39)}`],
    ["the sign bit, in decimal", `dec:${String(2n ** 159n)}`],
    ["21 octets", `1${"0".repeat(40)}`],
    ["endless decimal", `dec:${"9".repeat(61)}`],
    ["0x twice", "0x0x1"],
    ["other letters", "12xy"],
    ["a space", "1a 2b"],
    ["a line break after it", "1a\n"],
    ["a colon at the end", "1a:"],
  ])("is not %s", (_name, text) => {
    expect(refusalOf(() => parseSerial(text))).toEqual({
      code: "ID_MALFORMED",
      message: `'${text}' is not a serial number.`,
    });
  });

  it("has one form, however it is written", () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 159n - 1n), (number) => {
        const hex = number.toString(16);
        const even = hex.length % 2 === 0 ? hex : `0${hex}`;
        for (const text of [
          hex,
          hex.toUpperCase(),
          `0x${hex}`,
          `dec:${String(number)}`,
          `00${even}`,
          colons(even),
        ]) {
          expect(parseSerial(text)).toBe(hex);
        }
      }),
    );
  });

  it("is made of the time and 80 random bits after it", () => {
    const now = Date.parse("2030-01-31T12:00:00.123Z");
    expect(serialFrom(now, Buffer.alloc(10, 0xff))).toBe(`${now.toString(16)}${"f".repeat(20)}`);
    expect(serialFrom(now, Buffer.alloc(10))).toBe(`${now.toString(16)}${"0".repeat(20)}`);
    for (const length of [0, 9, 11, 16])
      expect(() => serialFrom(now, Buffer.alloc(length, 1))).toThrow(RangeError);
  });

  it("sorts by the time that it was made, in 2026 as in 2500", () => {
    const times = ["2026-01-01", "2026-01-01T00:00:00.001Z", "2050-01-01", "2500-12-31"].map((time) =>
      serialFrom(Date.parse(time), randomBytes(10)),
    );
    expect([...times].sort()).toEqual(times);
  });

  it("is positive and has at most 20 octets, whatever the clock says (RFC 5280 §4.1.2.2)", () => {
    for (const now of [0, 1, Date.parse("2026-11-24"), 8.64e15]) {
      const serial = serialFrom(now, Buffer.alloc(10, 0x80));
      expect(parseSerial(serial)).toBe(serial);
      expect(serial.length).toBeLessThanOrEqual(40);
    }
  });
});

describe("an issuer's id", () => {
  it("is 40 lower-case hex digits", () => {
    expect(parseIssuerId("0a".repeat(20))).toBe("0a".repeat(20));
  });

  it.each([
    "",
    "0A".repeat(20),
    "0a".repeat(19),
    "0a".repeat(21),
    `${"0a".repeat(20)}\n`,
    "../".repeat(13) + "a",
  ])("is not %j", (text) => {
    expect(refusalOf(() => parseIssuerId(text))).toEqual({
      code: "NOT_FOUND",
      message: "Nothing here goes by that name.",
    });
  });
});

describe("what an admin names a certificate by", () => {
  it.each([
    ["a fingerprint", fingerprint, { fingerprint }],
    ["a fingerprint as OpenSSL prints it", colons(fingerprint).toUpperCase(), { fingerprint }],
    ["a serial", "1A2B", { serial: "1a2b" }],
    ["a serial with 0x", "0x1a2b", { serial: "1a2b" }],
    ["a serial with colons", "1a:2b", { serial: "1a2b" }],
    ["a serial in decimal", "dec:10", { serial: "a" }],
    ["a file", "client.crt", undefined],
    ["a path", "./1a2b", undefined],
    ["nothing", "", undefined],
  ])("%s", (_name, text, id) => {
    expect(parseCertificateId(text)).toEqual(id);
  });

  it.each(["0", "dec:0", "dec:x", "f".repeat(40)])(
    "%j looks like a serial, and is refused as one",
    (text) => {
      expect(refusalOf(() => parseCertificateId(text))).toEqual({
        code: "ID_MALFORMED",
        message: `'${text}' is not a serial number.`,
      });
    },
  );
});
