import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { keyIdentifier, readCertificate } from "../../src/x509/certificate-reader.ts";
import { DerError } from "../../src/x509/der-reader.ts";
import {
  bitString,
  boolean,
  context,
  element,
  integer,
  nothing,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { extension, extensionIds } from "../../src/x509/extensions.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow } from "../support/fixtures-issuer.ts";

const { issuer } = await makeIssuer("ec-p256");
const spki = await freshSpki();
const template = clientTemplate(spki);
const leaf = Buffer.from(await signLeaf(issuer, template));

const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
const name = sequence(set(sequence(oid("2.5.4.3"), utf8String("x"))));
const one = extension(extensionIds.basicConstraints, true, sequence());

interface Parts {
  readonly version?: Buffer;
  readonly serial?: Buffer;
  readonly inner?: Buffer;
  readonly extensions?: Buffer;
  readonly trailing?: Buffer;
}

function certificate(parts: Parts = {}): Buffer {
  const { version = context(0, true, integer(2)), serial = integer("1a"), inner = algorithm } = parts;
  const { extensions = context(3, true, sequence(one)), trailing = Buffer.alloc(0) } = parts;
  const validity = sequence(time(testNow), time(testNow));
  const tbs = sequence(version, serial, inner, name, validity, name, spki, extensions, trailing);
  return sequence(tbs, algorithm, bitString(Buffer.of(1)));
}

describe("reading a certificate", () => {
  it("gives the parts that it was made of", () => {
    const parsed = readCertificate(leaf);
    expect(parsed.serial).toBe(template.serial);
    expect(Buffer.from(parsed.spki)).toEqual(spki);
    expect(Buffer.from(parsed.issuer)).toEqual(Buffer.from(readCertificate(issuer.der).subject));
    expect(parsed.extensions).toHaveLength(8);
    expect(new X509Certificate(leaf).serialNumber.toLowerCase()).toContain(parsed.serial);
  });

  it("takes a serial with its high bit set", () => {
    expect(readCertificate(certificate({ serial: integer("ff01") })).serial).toBe("ff01");
  });

  it("derives the key identifier from the key's bits (RFC 7093 §2)", () => {
    expect(keyIdentifier(issuer.signer.spki).toString("hex")).toBe(issuer.id);
  });

  it.each<readonly [string, Buffer]>([
    ["version 1", certificate({ version: Buffer.alloc(0) })],
    ["version 2", certificate({ version: context(0, true, integer(1)) })],
    ["two signature algorithms", certificate({ inner: sequence(oid("1.3.101.112")) })],
    ["no extensions", certificate({ extensions: Buffer.alloc(0) })],
    ["something after the extensions", certificate({ trailing: nothing() })],
    [
      "an extension with more to it",
      certificate({
        extensions: context(
          3,
          true,
          sequence(sequence(oid("1.2.3"), boolean(true), element(0x04), nothing())),
        ),
      }),
    ],
    ["trailing data", Buffer.concat([leaf, Buffer.of(0)])],
    ["nothing", Buffer.alloc(0)],
  ])("refuses %s", (_name, der) => {
    expect(() => readCertificate(der)).toThrow(DerError);
  });

  it.each<readonly [string, Buffer]>([
    ["zero", integer(0)],
    ["negative", element(0x02, Buffer.of(0xff))],
    ["of 21 octets", integer(`7f${"00".repeat(20)}`)],
  ])("refuses a serial that is %s", (_name, serial) => {
    expect(() => readCertificate(certificate({ serial }))).toThrow();
  });

  it("throws nothing but what it says, whatever the bytes", () => {
    const edit = fc.tuple(fc.nat(leaf.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = Buffer.from(leaf);
        for (const [at, octet] of edits) bytes[at] = octet;
        try {
          readCertificate(bytes);
        } catch (error) {
          expect(error instanceof DerError || error instanceof Refusal).toBe(true);
        }
      }),
      { seed: 20300131, numRuns: 2000 },
    );
  });
});
