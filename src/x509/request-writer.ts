import type { KeyObject } from "node:crypto";
import type { KeyType } from "../domain/key-policy.ts";
import { nameOf, signingAlgorithm, toCryptoKeys, x509 } from "./library.ts";
import { toPem } from "./pem.ts";

/**
 * Makes a CSR: a key and the proof that it is held.
 *
 * @param commonName the subject, for people to read; the CA decides it
 * @returns the CSR, PEM.
 */
export async function makeRequest(
  pair: { privateKey: KeyObject; publicKey: KeyObject },
  keyType: KeyType,
  commonName?: string,
): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: commonName === undefined ? [] : nameOf(commonName),
    keys: toCryptoKeys(pair, keyType),
    signingAlgorithm: signingAlgorithm(keyType),
  });
  return toPem("CERTIFICATE REQUEST", Buffer.from(request.rawData));
}
