import type { webcrypto } from "node:crypto";
import { HOUR } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";

// Certificates that our own writer can't make.

export const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

export function freshKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(p256, true, ["sign", "verify"]);
}

export async function inPem(
  keys: webcrypto.CryptoKeyPair,
  certificate: x509.X509Certificate,
): Promise<KeyAndCertificate> {
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { key: toPem("PRIVATE KEY", key), cert: certificate.toString("pem") };
}

/** A stranger's certificate, which ended an hour ago. */
export async function expiredSelfSigned(): Promise<KeyAndCertificate> {
  const keys = await freshKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=acme",
    notBefore: new Date(Date.now() - 2 * HOUR),
    notAfter: new Date(Date.now() - HOUR),
    keys,
    signingAlgorithm: p256,
  });
  return inPem(keys, certificate);
}
