import { describe, expect, test } from "vitest";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { certsOnly } from "../../src/x509/certs-only.ts";
import { csrAttributes } from "../../src/x509/csr-attributes.ts";
import { x509 } from "../../src/x509/library.ts";
import { makeIssuer } from "../support/fixtures-issuer.ts";
import { runOk } from "../support/run.ts";

// What EST answers with, as OpenSSL and the library read it.

const der = async (keyType: KeyType) => (await makeIssuer(keyType)).issuer.der;
const openssl = (args: readonly string[], input: Uint8Array) => runOk("openssl", args, { input });

describe("certificates in a PKCS#7 message", () => {
  test.for([1, 2, 12])("%i: the same come out again", async (count) => {
    const types: readonly KeyType[] = ["ec-p256", "rsa-2048", "ed25519"];
    const certificates = await Promise.all(
      Array.from({ length: count }, (_, index) => der(types[index % 3] ?? "ec-p256")),
    );
    const message = certsOnly(certificates);
    const sorted = (all: readonly Uint8Array[]) =>
      all.map((each) => Buffer.from(each).toString("hex")).sort();
    const read = new x509.X509Certificates(Uint8Array.from(message));
    expect(sorted([...read].map(({ rawData }) => new Uint8Array(rawData)))).toEqual(sorted(certificates));
    const printed = await openssl(["pkcs7", "-inform", "DER", "-print_certs"], message);
    expect(printed.match(/BEGIN CERTIFICATE/g)).toHaveLength(count);
    // OpenSSL writes it as we do, down to the octet: DER, no content, no digest, no signer.
    const again = await openssl(["pkcs7", "-inform", "DER", "-outform", "PEM"], message);
    expect(Buffer.from(again.replace(/-----[^-]+-----/g, ""), "base64").equals(message)).toBe(true);
  });

  test("a key of a type that OpenSSL may not know goes with it", async () => {
    const certificate = await der("ml-dsa-87");
    const [read] = new x509.X509Certificates(Uint8Array.from(certsOnly([certificate])));
    expect(Buffer.from(new Uint8Array(read?.rawData ?? new ArrayBuffer())).equals(certificate)).toBe(true);
  });
});

test("CsrAttrs name each type of key by its object identifiers", async () => {
  const found = await Promise.all(
    keyTypes.map(async (keyType) => {
      const parsed = await openssl(["asn1parse", "-inform", "DER"], csrAttributes(keyType));
      const named = [...parsed.matchAll(/(?:OBJECT|INTEGER) +:(.*)/g)].map(([, name]) => name);
      return [keyType, ...named].join(" ");
    }),
  );
  expect(found).toEqual([
    "ec-p256 id-ecPublicKey prime256v1",
    "ec-p384 id-ecPublicKey secp384r1",
    "ed25519 ED25519",
    "rsa-2048 rsaEncryption 0800",
    "rsa-3072 rsaEncryption 0C00",
    "rsa-4096 rsaEncryption 1000",
    expect.stringMatching(/^ml-dsa-44 (2\.16\.840\.1\.101\.3\.4\.3\.17|ML-DSA-44)$/),
    expect.stringMatching(/^ml-dsa-65 (2\.16\.840\.1\.101\.3\.4\.3\.18|ML-DSA-65)$/),
    expect.stringMatching(/^ml-dsa-87 (2\.16\.840\.1\.101\.3\.4\.3\.19|ML-DSA-87)$/),
  ]);
});
