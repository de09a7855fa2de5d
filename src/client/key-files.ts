import { type KeyObject, createPrivateKey, createPublicKey } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { keyTypeOf } from "../domain/key-policy.ts";
import { readInput } from "../files/files.ts";
import { encryptPrivateKey } from "../x509/private-key.ts";
import { parseRequest } from "../x509/request-reader.ts";
import { makeRequest } from "../x509/request-writer.ts";

/**
 * Opens a client's private key, PEM.
 *
 * @throws Refusal FILE_UNREADABLE, or PASSWORD_WRONG when it is encrypted, and not with this passphrase.
 */
export function openKey(path: string, passphrase: string | undefined): KeyObject {
  const pem = readInput(path);
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    if (!isEncrypted(pem)) {
      throw new Refusal("FILE_UNREADABLE", `${path} is not a private key in PEM.`, String(error));
    }
    const message =
      passphrase === undefined
        ? `${path} is encrypted: it needs a passphrase.`
        : `${path} does not open with this passphrase.`;
    throw new Refusal("PASSWORD_WRONG", message, String(error));
  }
}

/** Whether a PEM private key needs a passphrase: as PKCS#8, or in OpenSSL's older form (RFC 1421 §4.6.1.1). */
export function isEncrypted(pem: Buffer): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem.toString("latin1"));
}

/** A private key as its file holds it: PKCS#8 in PEM, encrypted when there is a passphrase. */
export async function keyPem(key: KeyObject, passphrase: string | undefined): Promise<string> {
  if (passphrase !== undefined) return encryptPrivateKey(key, passphrase);
  return key.export({ format: "pem", type: "pkcs8" });
}

/** Whether a CSR is one of this key's. */
export function isRequestOf(csr: string, privateKey: KeyObject): boolean {
  try {
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    return spki.equals(parseRequest(Buffer.from(csr)).spki);
  } catch {
    return false;
  }
}

/** A CSR (PEM) of this key. */
export function requestOf(privateKey: KeyObject): Promise<string> {
  return makeRequest({ privateKey, publicKey: createPublicKey(privateKey) }, keyTypeOf(privateKey));
}
