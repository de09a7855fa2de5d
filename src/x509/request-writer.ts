import type { KeyObject } from "node:crypto";
import type { KeyType } from "../domain/key-policy.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "./library.ts";
import { toPem } from "./pem.ts";

/**
 * Makes a client's CSR: its key and the proof that it holds it. The subject is empty; the CA decides it.
 *
 * @returns the CSR, PEM.
 */
export async function makeRequest(
  pair: { privateKey: KeyObject; publicKey: KeyObject },
  keyType: KeyType,
): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [],
    keys: toCryptoKeys(pair, keyType),
    signingAlgorithm: signingAlgorithm(keyType),
  });
  return toPem("CERTIFICATE REQUEST", Buffer.from(request.rawData));
}
