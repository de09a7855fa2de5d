import { describe, expect, it } from "vitest";
import { DerError } from "../../src/x509/der-reader.ts";
import {
  bitString,
  boolean,
  context,
  element,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { endEntityConstraints, extension, extensionIds as ids } from "../../src/x509/extensions.ts";
import { readLeaf } from "../../src/x509/leaf-reader.ts";
import { commonName, rdn } from "../support/fixtures-csr.ts";
import { testNow } from "../support/fixtures-issuer.ts";
import { certificate, extensions, none, uri, url, valued, written } from "../support/fixtures-leaf.ts";

const further = (...more: readonly Buffer[]): Buffer => certificate({}, [...extensions.values(), ...more]);
const named = (...names: readonly Buffer[]): Buffer => valued(ids.subjectAltName, sequence(...names));
const subject = (...rdns: readonly Buffer[]): Buffer => certificate({ subject: sequence(...rdns) });
const point = (...fields: readonly Buffer[]): Buffer =>
  valued(ids.crlDistributionPoints, sequence(sequence(...fields)));
const fullName = (...names: readonly Buffer[]): Buffer => context(0, true, context(0, true, ...names));

type Case = readonly [string, Uint8Array, string];
const over = "bytes left over";
const otherUsage = "a key usage that is not used here";
const otherName = "a kind of name that is not used here";

const form: readonly Case[] = [
  ["nothing at all", none, "expected tag 0x30, found the end"],
  ["an octet after its end", Buffer.concat([certificate(), Buffer.of(0)]), over],
  ["version 1", certificate({ version: none }), "not a version 3 certificate"],
  ["version 2", certificate({ version: context(0, true, integer(1)) }), "not a version 3 certificate"],
  ["a negative serial", certificate({ serial: element(2, Buffer.of(0x80)) }), "negative serial"],
  ["a serial of zero", certificate({ serial: integer(0) }), "serial is zero or too long"],
  [
    "a serial of 21 octets",
    certificate({ serial: integer("80" + "00".repeat(19)) }),
    "serial is zero or too long",
  ],
  [
    "a serial with a zero before it",
    certificate({ serial: element(2, Buffer.of(0, 1)) }),
    "INTEGER not minimal",
  ],
  [
    "another algorithm outside than inside",
    certificate({ outerAlgorithm: sequence(oid("1.2.840.10045.4.3.3")) }),
    "two signature algorithms",
  ],
  [
    "a signature of some bits",
    certificate({ signature: bitString(Buffer.of(0x80), 1) }),
    "expected a BIT STRING of whole octets",
  ],
  ["something after the signature", certificate({ afterSignature: nothing() }), over],
  ["something after the extensions", certificate({ afterExtensions: nothing() }), over],
  [
    "a unique identifier",
    certificate({ unique: context(2, false, Buffer.of(0, 1)) }),
    "expected tag 0xa3, found 82",
  ],
  ["no extensions", certificate({}, []), "expected tag 0xa3, found the end"],
];

const validities: readonly Case[] = [
  ["one time", certificate({ validity: sequence(time(testNow)) }), "unexpected end"],
  ["three times", certificate({ validity: sequence(time(testNow), time(testNow), time(testNow)) }), over],
  [
    "a day that there is not",
    certificate({ validity: sequence(time(testNow), element(0x17, Buffer.from("300230120000Z"))) }),
    "no such time",
  ],
];

const subjects: readonly Case[] = [
  ["no name", subject(), "expected tag 0x31, found the end"],
  ["two common names", subject(commonName("billing"), commonName("admin")), over],
  [
    "two common names in one RDN",
    subject(set(...["a", "b"].map((name) => sequence(oid("2.5.4.3"), utf8String(name))))),
    over,
  ],
  ["an organisation", subject(rdn("2.5.4.10", utf8String("Acme"))), "a subject that is no common name"],
  ["an organisation too", subject(commonName("billing"), rdn("2.5.4.10", utf8String("Acme"))), over],
  [
    "a PrintableString",
    subject(rdn("2.5.4.3", element(0x13, Buffer.from("a")))),
    "expected tag 0xc, found 13",
  ],
  ["something after the name", subject(rdn("2.5.4.3", Buffer.concat([utf8String("a"), nothing()]))), over],
];

const extensionCases: readonly Case[] = [
  ["one that is unknown", further(extension("1.2.3.4", false, nothing())), "an unknown extension"],
  ["one of a CRL's", further(extension(ids.crlNumber, false, integer(1))), "an unknown extension"],
  ["the same twice", further(endEntityConstraints()), "an extension twice"],
  [
    "a critical FALSE that is written",
    written(
      ids.keyUsage,
      sequence(oid(ids.keyUsage), boolean(false), octetString(bitString(Buffer.of(128), 7))),
    ),
    "a default that is written",
  ],
  ...[Buffer.of(1), Buffer.of(0xff, 0xff), none].map((octets): Case => [
    `a critical TRUE written as '${octets.toString("hex")}'`,
    further(sequence(oid("2.5.29.54"), element(1, octets), octetString(integer(0)))),
    "a default that is written",
  ]),
  ["something after a value", further(sequence(oid("2.5.29.54"), octetString(integer(0)), nothing())), over],
  ["cA TRUE", valued(ids.basicConstraints, sequence(boolean(true))), over],
  ["cA FALSE that is written", valued(ids.basicConstraints, sequence(boolean(false))), over],
  ["a path length", valued(ids.basicConstraints, sequence(integer(0))), over],
  ["basic constraints, and more", valued(ids.basicConstraints, sequence(), nothing()), over],
  ["a key usage of two octets", valued(ids.keyUsage, bitString(Buffer.of(0x80, 0x80), 7)), otherUsage],
  ["a key usage of none", valued(ids.keyUsage, bitString(none)), otherUsage],
  ["a key usage of no bits", valued(ids.keyUsage, bitString(Buffer.of(0))), otherUsage],
  ["a key usage with zeros at its end", valued(ids.keyUsage, bitString(Buffer.of(0x80))), otherUsage],
  ["a key usage, and more", valued(ids.keyUsage, bitString(Buffer.of(0x80), 7), nothing()), over],
  [
    "a purpose that is no OID",
    valued(ids.extendedKeyUsage, sequence(nothing())),
    "expected tag 0x6, found 5",
  ],
  ["purposes, and more", valued(ids.extendedKeyUsage, sequence(), nothing()), over],
  [
    "a subject key identifier, and more",
    valued(ids.subjectKeyIdentifier, octetString(none), nothing()),
    over,
  ],
  [
    "an authority's issuer and serial",
    valued(
      ids.authorityKeyIdentifier,
      sequence(context(0, false, none), context(1, true, uri(url)), context(2, false, Buffer.of(1))),
    ),
    over,
  ],
  [
    "an authority's serial alone",
    valued(ids.authorityKeyIdentifier, sequence(context(2, false, Buffer.of(1)))),
    "expected tag 0x80, found 82",
  ],
  ["a CRL of certain reasons", point(fullName(uri(url)), context(1, false, Buffer.of(1, 6))), over],
  ["a CRL of another issuer", point(fullName(uri(url)), context(2, true, uri(url))), over],
  ["a CRL in two places", point(fullName(uri(url), uri(url))), over],
  [
    "a CRL by a name of its issuer's",
    point(context(0, true, context(1, true, sequence()))),
    "expected tag 0xa0, found a1",
  ],
  ["a CRL in a directory", point(fullName(context(4, true, sequence()))), "expected tag 0x86, found a4"],
  [
    "an access that is no URI",
    valued(
      ids.authorityInfoAccess,
      sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(2, false, Buffer.from("a.test")))),
    ),
    "expected tag 0x86, found 82",
  ],
];

const names: readonly Case[] = [
  ["otherName", named(context(0, true, oid("1.2.3"), context(0, true, utf8String("a")))), otherName],
  ["rfc822Name", named(context(1, false, Buffer.from("a@b.test"))), otherName],
  ["x400Address", named(context(3, true, sequence())), otherName],
  ["directoryName", named(context(4, true, sequence(commonName("admin")))), otherName],
  ["ediPartyName", named(context(5, true, context(1, true, utf8String("a")))), otherName],
  ["registeredID", named(context(8, false, Buffer.of(42))), otherName],
  ["a string without a tag of its own", named(utf8String("a.test")), otherName],
  [
    "an address with its mask",
    named(context(7, false, Buffer.from("c0000200ffffff00", "hex"))),
    "an address of neither 4 nor 16 octets",
  ],
  ["an address of nothing", named(context(7, false, none)), "an address of neither 4 nor 16 octets"],
  [
    "a DNS name that is not ASCII",
    named(context(2, false, Buffer.from("zoë.test"))),
    "a name that is not ASCII",
  ],
  ["a URI that is not ASCII", named(uri("spiffe://zoë.test/")), "a name that is not ASCII"],
  ["names, and more", valued(ids.subjectAltName, sequence(uri(url)), nothing()), over],
];

it("a certificate as they are made here is read", () => {
  expect(readLeaf(certificate())).toMatchObject({
    ...{
      serial: "1234",
      commonName: "billing",
      notBefore: testNow,
      notAfter: testNow + 60_000,
      keyUsage: 128,
    },
    ...{
      extendedKeyUsage: ["1.3.6.1.5.5.7.3.2"],
      uris: [url],
      dnsNames: ["a.test"],
      addresses: ["192.0.2.1"],
    },
    crlUrls: [url],
    access: [`1.3.6.1.5.5.7.48.1 ${url}`, `1.3.6.1.5.5.7.48.2 ${url}`],
  });
});

describe.each([
  ["form", form],
  ["validity", validities],
  ["subject", subjects],
  ["extensions", extensionCases],
  ["alternative names", names],
])("a certificate is refused for its %s", (_part, cases) => {
  it.each(cases)("%s", (_name, der, message) => {
    expect(faultOf(() => readLeaf(der))).toBe(`DerError: ${message}`);
  });
});

/** What it throws; nothing is a failure, and so is anything but a DerError. */
function faultOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof DerError) return String(error);
    throw error;
  }
  throw new Error("it was read");
}
