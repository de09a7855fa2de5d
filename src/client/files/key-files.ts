import { type KeyObject, createPublicKey } from "node:crypto";
import { keyTypeOf } from "../../domain/key-policy.ts";
import { readInput, readOwnFile } from "../../files/files.ts";
import { encryptPrivateKey, openPrivateKey } from "../../x509/private-key.ts";
import { parseRequest } from "../../x509/request-reader.ts";
import { makeRequest } from "../../x509/request-writer.ts";

/** Opens a client's private key, PEM. Throws FILE_UNREADABLE, PASSWORD_WRONG, PASSWORD_REQUIRED. */
export function openKey(path: string, passphrase: string | undefined): KeyObject {
  return openPrivateKey(readInput(path).toString("latin1"), passphrase, path);
}

/** Opens one that nobody else can have put there; parameters as of `readOwnFile`. Throws FILE_UNREADABLE, PASSWORD_WRONG. */
export function openOwnKey(
  path: string,
  passphrase: string | undefined,
  otherwise: string,
  alsoOf?: number,
): KeyObject {
  return openPrivateKey(readOwnFile(path, otherwise, alsoOf).toString("latin1"), passphrase, path);
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
