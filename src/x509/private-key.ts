import { type KeyObject, createCipheriv, createPrivateKey, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { Refusal } from "../domain/errors.ts";
import { integer, nothing, octetString, oid, sequence } from "./der-writer.ts";
import { toPem } from "./pem.ts";

/** OWASP's figure for PBKDF2-HMAC-SHA-256. Node's own export uses 2,048, node-forge takes 4 s for these. */
const ROUNDS = 600_000;

/**
 * Encrypts a private key as PKCS#8 with PBES2.
 *
 * @returns an `ENCRYPTED PRIVATE KEY` PEM, which OpenSSL and Node open.
 */
export async function encryptPrivateKey(key: KeyObject, password: string): Promise<string> {
  const { algorithm, encrypted } = await pbes2(key.export({ format: "der", type: "pkcs8" }), password);
  return toPem("ENCRYPTED PRIVATE KEY", sequence(algorithm, octetString(encrypted)));
}

/**
 * Encrypts by a password with PBES2 (RFC 8018 §6.2): PBKDF2-HMAC-SHA-256 and AES-256-CBC.
 *
 * @returns the AlgorithmIdentifier, DER, and what is encrypted.
 */
export async function pbes2(
  plain: Uint8Array,
  password: string,
): Promise<{ readonly algorithm: Buffer; readonly encrypted: Buffer }> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const secret = await promisify(pbkdf2)(password, salt, ROUNDS, 32, "sha256");
  const cipher = createCipheriv("aes-256-cbc", secret, iv);
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const hmacSha256 = sequence(oid("1.2.840.113549.2.9"), nothing());
  const derivation = sequence(
    oid("1.2.840.113549.1.5.12"),
    sequence(octetString(salt), integer(ROUNDS), integer(32), hmacSha256),
  );
  const encryption = sequence(oid("2.16.840.1.101.3.4.1.42"), octetString(iv));
  const algorithm = sequence(oid("1.2.840.113549.1.5.13"), sequence(derivation, encryption));
  return { algorithm, encrypted };
}

/**
 * Opens a private key, PEM, encrypted or not.
 *
 * @param what it is called in a message: its file, or `The key`
 * @throws Refusal FILE_UNREADABLE; when it is encrypted, PASSWORD_REQUIRED, or PASSWORD_WRONG for another passphrase.
 */
export function openPrivateKey(pem: string, passphrase: string | undefined, what: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    if (!isEncrypted(pem)) {
      throw new Refusal("FILE_UNREADABLE", `${what} is not a private key in PEM.`, String(error));
    }
    if (passphrase === undefined)
      throw new Refusal("PASSWORD_REQUIRED", `${what} is encrypted: it needs a passphrase.`);
    const isJustWrong = (error as NodeJS.ErrnoException).code === "ERR_OSSL_BAD_DECRYPT";
    const detail = isJustWrong ? undefined : String(error);
    throw new Refusal("PASSWORD_WRONG", `${what} does not open with this passphrase.`, detail);
  }
}

/** Whether a PEM private key needs a passphrase: as PKCS#8, or in OpenSSL's older form (RFC 1421 §4.6.1.1). */
export function isEncrypted(pem: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
}

/** Opens an encrypted key. Throws PASSWORD_WRONG. */
export function decryptPrivateKey(pem: string, password: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, passphrase: password });
  } catch (error) {
    throw new Refusal("PASSWORD_WRONG", undefined, String(error));
  }
}
