import { afterAll, describe, expect, it } from "vitest";
import { DerError, requireDer } from "../../src/x509/der-reader.ts";
import { element, oid, sequence, set } from "../../src/x509/der-writer.ts";
import { libraryKey, opensslKeys } from "../support/csr-judges.ts";
import { attributes, rdn, readRequest } from "../support/fixtures-csr.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { makeCsrMaker } from "../support/fuzzed-csrs.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const maker = await makeCsrMaker("ed25519");
const [utf8String, relativeOid, reserved, universalString, bmpString] = [0x0c, 0x0d, 0x0f, 0x1c, 0x1e];
const malformed = {
  code: "CSR_MALFORMED",
  message: "The CSR is not one PKCS#10 request in PEM or DER.",
};

type Case = readonly [string, number, string, string];

describe("characters are taken that are some, where OpenSSL takes them in a name", () => {
  const cases: readonly Case[] = [
    ["a UTF8String's last", utf8String, "f48fbfbf", "taken"],
    ["half of a pair in UTF-8", utf8String, "eda080", "bad UTF8String"],
    ["more octets than it needs", utf8String, "c081", "bad UTF8String"],
    ["one beyond the last, in UTF-8", utf8String, "f4908080", "bad UTF8String"],
    ["a BMPString's last before the pairs", bmpString, "d7ff", "taken"],
    ["its first after the pairs", bmpString, "e000", "taken"],
    ["its last", bmpString, "ffff", "taken"],
    ["its first half of a pair", bmpString, "0041d800", "bad BMPString"],
    ["its last half of a pair", bmpString, "dfff0041", "bad BMPString"],
    ["both halves of a pair, as in UTF-16", bmpString, "d83ddc00", "bad BMPString"],
    ["a UniversalString's last before the pairs", universalString, "0000d7ff", "taken"],
    ["its last of all", universalString, "0010ffff", "taken"],
    ["half of a pair in four octets", universalString, "0000d800", "bad UniversalString"],
    ["one beyond the last", universalString, "00110000", "bad UniversalString"],
    ["the highest number there is", universalString, "ffffffff", "bad UniversalString"],
  ];

  it.each(cases)("%s", async (_name, tag, hex, fault) => {
    const text = element(tag, Buffer.from(hex, "hex"));
    const csr = maker.signed(maker.info({ subject: sequence(rdn("2.5.4.3", text)) }));
    const [key] = await opensslKeys("openssl", workspace.path, [csr]);
    if (fault === "taken") {
      requireDer(text);
      expect(readRequest(csr).keyType).toBe("ed25519");
      expect(key?.equals(maker.spki)).toBe(true);
    } else {
      expect(() => {
        requireDer(text);
      }).toThrow(new DerError(fault));
      expect(refusalOf(() => readRequest(csr))).toEqual(malformed);
      expect(key).toBeUndefined();
    }
  });
});

describe("a value in an attribute is refused", () => {
  it.each<readonly [string, number, string, string, "refuses" | "takes"]>([
    ["of a type that is reserved", reserved, "00", "a tag that means nothing", "refuses"],
    ["RELATIVE-OID without its end", relativeOid, "0184", "bad OID", "refuses"],
    ["RELATIVE-OID with a zero before an arc", relativeOid, "018001", "OID not minimal", "takes"],
    ["RELATIVE-OID of nothing", relativeOid, "", "bad OID", "takes"],
  ])("%s", async (_name, tag, hex, fault, library) => {
    const value = element(tag, Buffer.from(hex, "hex"));
    expect(() => {
      requireDer(value);
    }).toThrow(new DerError(fault));
    const field = attributes(sequence(oid("1.2.3"), set(value)));
    const csr = maker.signed(maker.info({ attributes: field }));
    expect(refusalOf(() => readRequest(csr))).toEqual(malformed);
    expect((await libraryKey(csr)) === undefined ? "refuses" : "takes", "@peculiar/x509").toBe(library);
  });
});
