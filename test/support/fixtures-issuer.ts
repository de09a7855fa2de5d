import { randomBytes } from "node:crypto";
import { SERIAL_RANDOM_OCTETS, type Serial, serialFrom } from "../../src/domain/identifiers.ts";
import type { KeyPair, KeyType } from "../../src/domain/key-policy.ts";
import type { Issuer, LeafTemplate } from "../../src/domain/ports.ts";
import { DAY, HOUR, MINUTE, wholeSeconds } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { makeCaCertificate, makeRootCertificate } from "../../src/x509/ca-certificate.ts";
import { issuerFrom } from "../../src/x509/codec.ts";

/** When this run's certificates are made. */
export const testNow = wholeSeconds(Date.now());

/** Never the same twice. */
export function testSerial(): Serial {
  return serialFrom(testNow, randomBytes(SERIAL_RANDOM_OCTETS));
}

export interface TestIssuer {
  readonly issuer: Issuer;
  readonly keys: KeyPair;
  readonly commonName: string;
}

/** A fresh CA: a root, or below `parent`. */
export async function makeIssuer(
  keyType: KeyType,
  options: { readonly parent?: TestIssuer; readonly life?: number; readonly commonName?: string } = {},
): Promise<TestIssuer> {
  const { parent, life = 10 * DAY, commonName = `Test CA ${randomBytes(4).toString("hex")}` } = options;
  const keys = await makeKeyPair(keyType);
  const template = {
    commonName,
    serial: testSerial(),
    notBefore: testNow - HOUR,
    notAfter: testNow + life,
    pathLength: parent ? 0 : 1,
  };
  const der = parent
    ? await makeCaCertificate(keys, template, { certificate: parent.issuer.der, keys: parent.keys })
    : await makeRootCertificate(keys, template);
  return { issuer: issuerFrom(der, memorySigner(keys.privateKey)), keys, commonName };
}

/** What an account's certificate says, for the given key (SubjectPublicKeyInfo, DER). */
export function clientTemplate(spki: Uint8Array, changes: Partial<LeafTemplate> = {}): LeafTemplate {
  return {
    serial: testSerial(),
    commonName: "billing",
    notBefore: testNow - MINUTE,
    notAfter: testNow + HOUR,
    spki,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["clientAuth"],
    uris: ["spiffe://example.test/account/billing"],
    dnsNames: [],
    addresses: [],
    publicUrl: "http://127.0.0.1:8080",
    ...changes,
  };
}

/** A fresh public key (SubjectPublicKeyInfo, DER). */
export async function freshSpki(keyType: KeyType = "ec-p256"): Promise<Buffer> {
  const { publicKey } = await makeKeyPair(keyType);
  return publicKey.export({ format: "der", type: "spki" });
}
