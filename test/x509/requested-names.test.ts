import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { context, element, integer, nothing, oid, sequence, set } from "../../src/x509/der-writer.ts";
import { extension } from "../../src/x509/extensions.ts";
import { addressOctets } from "../../src/x509/ip-address.ts";
import { x509 } from "../../src/x509/library.ts";
import { parseRequest } from "../../src/x509/request-reader.ts";
import { requestedNames } from "../../src/x509/requested-names.ts";
import { attributes, buildCsr, extensionRequest } from "../support/fixtures-csr.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const { privateKey, publicKey } = await makeKeyPair("ec-p256");
const spki = publicKey.export({ format: "der", type: "spki" });

const csrWith = (...list: readonly Uint8Array[]): Buffer =>
  buildCsr({ privateKey, spki, attributes: attributes(...list) });
const namesIn = (csr: Uint8Array) => requestedNames(parseRequest(csr));

const SAN = "2.5.29.17";
const san = (...names: readonly Uint8Array[]): Buffer => extension(SAN, false, sequence(...names));
const dns = (name: string): Buffer => context(2, false, Buffer.from(name, "latin1"));
const ip = (...octets: readonly number[]): Buffer => context(7, false, Buffer.from(octets));
const address = (text: string): Buffer => context(7, false, addressOctets(text));
const constraints = extension("2.5.29.19", true, sequence());
const challenge = sequence(oid("1.2.840.113549.1.9.7"), set(element(0x13, Buffer.from("secret"))));
/** What is no extension: it lacks the OCTET STRING around its value. */
const bare = sequence(oid(SAN), sequence(dns("a.test")));

/** One GeneralName of every kind but DNS names and addresses (RFC 5280 §4.2.1.6). */
const otherKinds = [
  context(0, true, oid("1.2.3"), context(0, true, integer(1))),
  context(1, false, Buffer.from("a@b.test")),
  context(3, true, nothing()),
  context(4, true, sequence()),
  context(5, true, context(1, true, element(0x0c, Buffer.from("party")))),
  context(6, false, Buffer.from("spiffe://example.org/account/root")),
  element(0x88, Buffer.of(0x2a, 0x03)),
];

interface Names {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

const nobody: Names = { dnsNames: [], addresses: [] };

describe("the names that a CSR asks for", () => {
  it.each<[string, Uint8Array, Names]>([
    [
      "none, where it has no attributes' field",
      buildCsr({ privateKey, spki, attributes: undefined }),
      nobody,
    ],
    ["none, where it has no attribute", csrWith(), nobody],
    ["none, where it requests no extension", csrWith(challenge), nobody],
    ["none, where it requests other extensions", csrWith(extensionRequest(constraints)), nobody],
    ["none, where its list of extensions is empty", csrWith(extensionRequest()), nobody],
    ["none, where its list of names is empty", csrWith(extensionRequest(san())), nobody],
    ["none, where they are all of other kinds", csrWith(extensionRequest(san(...otherKinds))), nobody],
    [
      "DNS names and addresses, in their order, among others of every kind",
      csrWith(
        challenge,
        extensionRequest(
          constraints,
          san(dns("b.test"), ...otherKinds, ip(10, 0, 0, 1), dns("a.test"), address("2001:db8::1")),
        ),
      ),
      { dnsNames: ["b.test", "a.test"], addresses: ["10.0.0.1", "2001:db8:0:0:0:0:0:1"] },
    ],
    [
      "those of a critical extension",
      csrWith(extensionRequest(extension(SAN, true, sequence(dns("a.test"))))),
      { dnsNames: ["a.test"], addresses: [] },
    ],
    [
      "each as often as it stands there, and as it is written",
      csrWith(extensionRequest(san(dns("A.test"), dns("A.test"), dns("*.test"), dns("")))),
      { dnsNames: ["A.test", "A.test", "*.test", ""], addresses: [] },
    ],
    [
      "octets outside of ASCII one by one, so that they make no name",
      csrWith(extensionRequest(san(dns("b\xfccher.test")))),
      { dnsNames: ["b\xfccher.test"], addresses: [] },
    ],
    [
      "a NUL as it is: the name does not end there",
      csrWith(extensionRequest(san(dns("a.test\0.evil.test")))),
      { dnsNames: ["a.test\0.evil.test"], addresses: [] },
    ],
    [
      "a hundred",
      csrWith(extensionRequest(san(...Array<Buffer>(100).fill(dns("a.test"))))),
      { dnsNames: Array<string>(100).fill("a.test"), addresses: [] },
    ],
  ])("are %s", (_name, csr, names) => {
    expect(namesIn(csr)).toEqual(names);
  });
});

describe("a CSR is refused that", () => {
  const good = extensionRequest(san(dns("a.test")));
  const sanOf = (value: Uint8Array): Buffer => csrWith(extensionRequest(extension(SAN, false, value)));
  it.each<[string, Uint8Array]>([
    ["requests extensions twice", csrWith(good, good)],
    [
      "requests extensions in two values",
      csrWith(sequence(oid("1.2.840.113549.1.9.14"), set(sequence(), sequence()))),
    ],
    [
      "requests extensions with what is no list",
      csrWith(sequence(oid("1.2.840.113549.1.9.14"), set(integer(1)))),
    ],
    ["has two SANs", csrWith(extensionRequest(san(dns("a.test")), san(dns("b.test"))))],
    ["has two SANs, one of them empty", csrWith(extensionRequest(san(), san(dns("b.test"))))],
    ["has an extension without a value", csrWith(extensionRequest(sequence(oid(SAN))))],
    ["has an extension whose value is not wrapped", csrWith(extensionRequest(bare))],
    [
      "has an extension with something after its value",
      csrWith(extensionRequest(sequence(oid(SAN), element(0x04, sequence()), nothing()))),
    ],
    ["has an extension that is none, after the SAN", csrWith(extensionRequest(san(), nothing()))],
    ["has a SAN without a value", sanOf(Buffer.alloc(0))],
    ["has a SAN that is no list", sanOf(dns("a.test"))],
    ["has a SAN that is cut short", sanOf(san(dns("a.test")).subarray(0, -1))],
    ["has a SAN in BER, of indefinite length", sanOf(Buffer.from("3080820161" + "0000", "hex"))],
    ["has a SAN whose length is not minimal", sanOf(Buffer.from("308103820161", "hex"))],
    ["has something after its SAN", sanOf(Buffer.concat([sequence(dns("a.test")), Buffer.of(0)]))],
    [
      "has a second SAN in the first one's value",
      sanOf(Buffer.concat([sequence(), sequence(dns("a.test"))])),
    ],
    ["has an address of no octets", csrWith(extensionRequest(san(ip())))],
    ["has an address of 5 octets", csrWith(extensionRequest(san(ip(10, 0, 0, 1, 0))))],
    [
      "has an address with a mask, of 8 octets",
      csrWith(extensionRequest(san(ip(10, 0, 0, 0, 255, 0, 0, 0)))),
    ],
    ["has an address of 17 octets", csrWith(extensionRequest(san(ip(...Array<number>(17).fill(1)))))],
    ["asks for 101 names", csrWith(extensionRequest(san(...Array<Buffer>(101).fill(dns("a.test")))))],
  ])("%s", (_name, csr) => {
    const request = parseRequest(csr);
    expect(refusalOf(() => requestedNames(request))).toEqual({
      code: "CSR_MALFORMED",
      message: "The CSR is not one PKCS#10 request in PEM or DER.",
    });
  });
});

describe("@peculiar/x509 reads the same names out of", () => {
  it.each<[string, Uint8Array]>([
    ["DNS names", csrWith(extensionRequest(san(dns("a.test"), dns("B.test"), dns("*.c.test"))))],
    ["IPv4 addresses", csrWith(extensionRequest(san(address("10.0.0.1"), address("255.255.255.255"))))],
    [
      "IPv6 addresses",
      csrWith(
        extensionRequest(
          san(...["2001:db8::1", "::", "::1", "fe80:0:0:1::ff", "1:2:3:4:5:6:7:8"].map(address)),
        ),
      ),
    ],
    ["an address mapped into IPv6", csrWith(extensionRequest(san(address("::ffff:10.0.0.1"))))],
    [
      "names of several kinds",
      csrWith(
        challenge,
        extensionRequest(
          constraints,
          san(...otherKinds.slice(1, 2), dns("a.test"), ...otherKinds.slice(5), address("10.0.0.1")),
        ),
      ),
    ],
    [
      "a hundred names",
      csrWith(extensionRequest(san(...Array.from({ length: 100 }, (_, i) => dns(`n${String(i)}.test`))))),
    ],
    ["no names", csrWith(extensionRequest(constraints))],
  ])("%s", (_name, csr) => {
    const extensions = new x509.Pkcs10CertificateRequest(csr).extensions;
    const theirs = extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension);
    const read = theirs?.names.items ?? [];
    const of = (kind: string): string[] => read.filter(({ type }) => type === kind).map(({ value }) => value);
    const ours = namesIn(csr);
    expect(ours.dnsNames).toEqual(of("dns"));
    expect(ours.addresses.map((text) => addressOctets(text))).toEqual(
      of("ip").map((text) => addressOctets(text)),
    );
  });
});
