import { X509Certificate, createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { parseSerial } from "../../src/domain/identifiers.ts";
import { DAY } from "../../src/domain/time.ts";
import { issuerFrom, issuerIdOf } from "../../src/x509/codec.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const root = await makeIssuer("ec-p256");
const issuer = await makeIssuer("ec-p256", { parent: root });
const spki = await freshSpki();
const rootFile = await pemFile("root", root.issuer.der);

async function pemFile(name: string, der: Uint8Array): Promise<string> {
  const path = workspace.file(`${name}.crt`);
  await writeFile(path, toPem("CERTIFICATE", der));
  return path;
}

const colons = (hex: string): string => hex.toUpperCase().replace(/..(?=.)/g, "$&:");
const keyId = (key: Uint8Array): string =>
  createHash("sha256").update(key.subarray(-65)).digest("hex").slice(0, 40);

describe("a client's certificate", () => {
  it("has the extensions that it is to have and nothing else", async () => {
    const der = await signLeaf(issuer.issuer, clientTemplate(spki));
    const hidden = [
      "header",
      "version",
      "serial",
      "signame",
      "validity",
      "subject",
      "issuer",
      "pubkey",
      "sigdump",
      "aux",
    ];
    const options = [
      "-inform",
      "DER",
      "-noout",
      "-text",
      "-certopt",
      hidden.map((name) => `no_${name}`).join(),
    ];
    const text = await runOk("openssl", ["x509", ...options], { input: der });
    const lines = text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    expect(lines).toEqual([
      "X509v3 extensions:",
      "X509v3 Basic Constraints: critical",
      "CA:FALSE",
      "X509v3 Key Usage: critical",
      "Digital Signature",
      "X509v3 Extended Key Usage:",
      "TLS Web Client Authentication",
      "X509v3 Subject Alternative Name:",
      "URI:spiffe://example.test/account/billing",
      "X509v3 Subject Key Identifier:",
      colons(keyId(spki)),
      "X509v3 Authority Key Identifier:",
      colons(keyId(issuer.issuer.signer.spki)),
      "X509v3 CRL Distribution Points:",
      "Full Name:",
      `URI:http://127.0.0.1:8080/crl/${issuer.issuer.id}.crl`,
      "Authority Information Access:",
      "OCSP - URI:http://127.0.0.1:8080/ocsp",
      `CA Issuers - URI:http://127.0.0.1:8080/issuers/${issuer.issuer.id}.crt`,
    ]);
  });

  it("says what Node reads", async () => {
    const template = clientTemplate(spki);
    const certificate = new X509Certificate(await signLeaf(issuer.issuer, template));
    expect(certificate.subject).toBe("CN=billing");
    expect(certificate.issuer).toBe(`CN=${issuer.commonName}`);
    expect(certificate.subjectAltName).toBe("URI:spiffe://example.test/account/billing");
    expect(parseSerial(certificate.serialNumber)).toBe(template.serial);
    expect(certificate.validFromDate.getTime()).toBe(template.notBefore);
    expect(certificate.validToDate.getTime()).toBe(template.notAfter);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.publicKey.export({ format: "der", type: "spki" })).toEqual(spki);
    expect(certificate.checkIssued(new X509Certificate(issuer.issuer.der))).toBe(true);
  });

  it("says what @peculiar/x509 reads", async () => {
    const template = clientTemplate(spki);
    const certificate = new x509.X509Certificate(await signLeaf(issuer.issuer, template));
    const authority = new x509.X509Certificate(issuer.issuer.der);
    expect(certificate.subject).toBe("CN=billing");
    expect(parseSerial(certificate.serialNumber)).toBe(template.serial);
    expect(certificate.notAfter.getTime()).toBe(template.notAfter);
    expect(certificate.extensions).toHaveLength(8);
    expect(certificate.extensions.filter(({ critical }) => critical).map(({ type }) => type)).toEqual([
      "2.5.29.19",
      "2.5.29.15",
    ]);
    const theirs = authority.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
    expect(certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(theirs);
    expect(issuer.issuer.id).toBe(theirs);
    expect(await certificate.verify({ publicKey: authority, date: new Date(testNow) })).toBe(true);
  });

  it("has no URLs when there is no public listener", async () => {
    const certificate = new x509.X509Certificate(
      await signLeaf(issuer.issuer, clientTemplate(spki, { publicUrl: undefined })),
    );
    expect(certificate.extensions.map(({ type }) => type)).toEqual([
      "2.5.29.19",
      "2.5.29.15",
      "2.5.29.37",
      "2.5.29.17",
      "2.5.29.14",
      "2.5.29.35",
    ]);
  });

  it.each(["1", "7f", "80", "ff", "80ff00", `7${"f".repeat(39)}`, `ff${"00".repeat(15)}`])(
    "has a positive serial: %s",
    async (text) => {
      const der = await signLeaf(issuer.issuer, clientTemplate(spki, { serial: parseSerial(text) }));
      const printed = await runOk("openssl", ["x509", "-inform", "DER", "-noout", "-serial"], { input: der });
      expect(printed).not.toContain("-");
      expect(parseSerial(printed.trim().replace("serial=", ""))).toBe(text);
    },
  );

  it.each(keyTypes)("carries a key of type %s", async (keyType) => {
    const key = await freshSpki(keyType);
    const certificate = new X509Certificate(await signLeaf(issuer.issuer, clientTemplate(key)));
    expect(certificate.publicKey.export({ format: "der", type: "spki" })).toEqual(key);
  });
});

describe("a listener's certificate", () => {
  it("carries names and addresses", async () => {
    const names = {
      uris: [],
      dnsNames: ["localhost", "ca.example.test"],
      addresses: ["127.0.0.1", "::1", "2001:db8::7:0", "2001:db8:1:2:3:4:5:6", "::"],
    };
    const template = clientTemplate(spki, {
      extendedKeyUsage: ["serverAuth", "clientAuth"],
      commonName: "localhost",
      ...names,
    });
    const certificate = new X509Certificate(await signLeaf(issuer.issuer, template));
    expect(certificate.checkHost("ca.example.test")).toBe("ca.example.test");
    for (const address of names.addresses) expect(certificate.checkIP(address), address).toBe(address);
    expect(certificate.checkIP("::2")).toBeUndefined();
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  });

  it.each([
    ["mapped into IPv6", "::ffff:192.0.2.1", "0:0:0:0:0:FFFF:C000:201"],
    ["at the end of an IPv6 address", "64:ff9b::192.0.2.1", "64:FF9B:0:0:0:0:C000:201"],
  ])("carries an IPv4 address written %s", async (_name, address, printed) => {
    const template = clientTemplate(spki, { uris: [], addresses: [address] });
    const certificate = new X509Certificate(await signLeaf(issuer.issuer, template));
    expect(certificate.subjectAltName).toBe(`IP Address:${printed}`);
  });
});

describe("dates", () => {
  it("past 2049 are GeneralizedTime, before it UTCTime", async () => {
    const old = await makeIssuer("ec-p256", { life: 40 * 365 * DAY });
    const notAfter = Date.UTC(2050, 0, 1);
    const der = await signLeaf(old.issuer, clientTemplate(spki, { notAfter }));
    const text = await runOk("openssl", ["asn1parse", "-inform", "DER"], { input: Buffer.from(der) });
    expect(text).toMatch(/UTCTIME +:\d{12}Z/);
    expect(text).toMatch(/GENERALIZEDTIME +:20500101000000Z/);
    expect(new X509Certificate(der).validToDate.getTime()).toBe(notAfter);
    const last = await signLeaf(old.issuer, clientTemplate(spki, { notAfter: notAfter - 1000 }));
    const earlier = await runOk("openssl", ["asn1parse", "-inform", "DER"], { input: Buffer.from(last) });
    expect(earlier).toMatch(/UTCTIME +:491231235959Z/);
    expect(earlier).not.toContain("GENERALIZEDTIME");
  });
});

describe.each(keyTypes)("an issuer of type %s", (keyType) => {
  it("signs what others verify", async () => {
    const { issuer: signing } = await makeIssuer(keyType, { parent: root });
    const der = await signLeaf(signing, clientTemplate(spki));
    expect(new X509Certificate(der).verify(new X509Certificate(signing.der).publicKey)).toBe(true);
    expect(new X509Certificate(der).verify(new X509Certificate(root.issuer.der).publicKey)).toBe(false);
    if (keyType.startsWith("ml-dsa")) return; // OpenSSL knows ML-DSA from 3.5
    const leafFile = await pemFile(`leaf-${keyType}`, der);
    const issuerFile = await pemFile(`issuer-${keyType}`, signing.der);
    const trust = ["-CAfile", rootFile, "-untrusted", issuerFile];
    const printed = await runOk("openssl", [
      "verify",
      "-x509_strict",
      "-purpose",
      "sslclient",
      ...trust,
      leafFile,
    ]);
    expect(printed.trim()).toBe(`${leafFile}: OK`);
  });
});

describe("an issuer", () => {
  it("is named by its certificate's subject key identifier", () => {
    expect(issuerIdOf(issuer.issuer.der)).toBe(keyId(issuer.issuer.signer.spki));
  });

  it("is refused a key that is not its own", () => {
    expect(() => issuerFrom(issuer.issuer.der, root.issuer.signer)).toThrow(
      "the key does not belong to the certificate",
    );
  });

  it("is refused a certificate that is no CA's", async () => {
    const leaf = await signLeaf(issuer.issuer, clientTemplate(issuer.issuer.signer.spki));
    expect(() => issuerFrom(leaf, issuer.issuer.signer)).toThrow("not a CA certificate");
  });
});
