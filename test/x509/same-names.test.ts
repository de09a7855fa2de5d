import fc from "fast-check";
import { expect, test } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { codec } from "../../src/x509/codec.ts";
import { context, element, octetString, oid, sequence, set } from "../../src/x509/der-writer.ts";
import { attributes, commonName, extensionRequest, rdn } from "../support/fixtures-csr.ts";
import { clientTemplate, makeIssuer } from "../support/fixtures-issuer.ts";
import { changed, knownAttributes, makeCsrMaker, octet, resigned } from "../support/fuzzed-csrs.ts";

// Whether a CSR asks for the names that a certificate has: RFC 7030 §4.2.2.

const maker = await makeCsrMaker("ec-p256");
const { issuer } = await makeIssuer("ec-p256");
const uris = ["spiffe://example.test/account/billing"];
const names = { commonName: "billing", uris, dnsNames: ["a.test", "b.test"], addresses: ["192.0.2.1"] };
const certificate = await codec.signLeaf(issuer, clientTemplate(maker.spki, names));

const dns = (text: string) => context(2, false, Buffer.from(text));
const all = [
  context(6, false, Buffer.from("spiffe://example.test/account/billing")),
  ...[dns("a.test"), dns("b.test"), context(7, false, Buffer.of(192, 0, 2, 1))],
];
const asking = (...list: readonly Uint8Array[]) =>
  attributes(extensionRequest(sequence(oid("2.5.29.17"), octetString(sequence(...list)))));
const subject = sequence(commonName("billing"));
const csrOf = (parts: Parameters<typeof maker.info>[0]) => maker.signed(maker.info(parts));
const keeps = (csr: Uint8Array) => codec.keepsNames(codec.parseRequest(csr), certificate);

test("the same names, in any order, are the same names; one less, one more or one twice is not", () => {
  expect(keeps(csrOf({ subject, attributes: asking(...all) }))).toBe(true);
  expect(keeps(csrOf({ subject, attributes: asking(...all.toReversed()) }))).toBe(true);
  expect(keeps(csrOf({ subject, attributes: asking(...all.slice(0, 3)) }))).toBe(false);
  expect(keeps(csrOf({ subject, attributes: asking(...all, dns("c.test")) }))).toBe(false);
  expect(keeps(csrOf({ subject, attributes: asking(...all, dns("a.test")) }))).toBe(false);
  expect(keeps(csrOf({ subject, attributes: asking(...all.slice(0, 3), dns("a.test")) }))).toBe(false);
});

test("a URI need not be asked for, and the case of a DNS name says nothing", () => {
  expect(keeps(csrOf({ subject, attributes: asking(...all.slice(1)) }))).toBe(true);
  expect(
    keeps(csrOf({ subject, attributes: asking(dns("B.TEST"), ...all.slice(0, 2), all[3] ?? subject) })),
  ).toBe(true);
  expect(keeps(csrOf({ subject, attributes: asking(...all.slice(2)) }))).toBe(false);
});

test("a name is its text, in whichever type of string", () => {
  const of = (tag: number, octets: Buffer) =>
    keeps(csrOf({ subject: sequence(rdn("2.5.4.3", element(tag, octets))), attributes: attributes() }));
  for (const tag of [0x0c, 0x13, 0x14, 0x16]) expect(of(tag, Buffer.from("billing"))).toBe(true);
  expect(of(0x1e, Buffer.from("billing", "utf16le").swap16())).toBe(true);
  expect(of(0x1e, Buffer.from("billing", "utf16le"))).toBe(false);
  expect(of(0x1c, Buffer.from("00000062", "hex"))).toBe(false);
  expect(of(0x0c, Buffer.from("billing\0"))).toBe(false);
});

test("two names in one RDN are not two RDNs", () => {
  const pair = [sequence(oid("2.5.4.3"), element(0x0c, Buffer.from("billing")))];
  expect(keeps(csrOf({ subject: sequence(set(...pair)), attributes: attributes() }))).toBe(true);
  expect(keeps(csrOf({ subject: sequence(set(...pair, ...pair)), attributes: attributes() }))).toBe(false);
});

test("whatever a CSR's names are, they are compared or refused as malformed", () => {
  const own = fc
    .array(fc.tuple(fc.nat(9999), octet), { minLength: 1, maxLength: 3 })
    .map((list) => csrOf({ subject, attributes: changed(asking(...all), list) }));
  const inputs = fc.oneof(resigned(maker, knownAttributes), resigned(maker, asking(...all)), own);
  let compared = 0;
  fc.assert(
    fc.property(inputs, (csr) => {
      try {
        const request = codec.parseRequest(csr);
        expect(typeof codec.keepsNames(request, certificate)).toBe("boolean");
        compared++;
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
    }),
    { seed: 422, numRuns: 1000 },
  );
  expect(compared).toBeGreaterThan(100);
});
