import { type KeyObject, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { Refusal } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import { type KeyType, keyTypeOf } from "../domain/key-policy.ts";
import { PUBLIC, SECRET, readInput, writeFileAtomically } from "../files/files.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { encryptPrivateKey } from "../x509/private-key.ts";
import { parseRequest } from "../x509/request-reader.ts";
import { makeRequest } from "../x509/request-writer.ts";
import { type Enrolled, enroll, fetchRoot } from "./enroll.ts";

export interface EnrollToFiles {
  readonly caUrl: string;
  readonly fingerprint: Fingerprint;
  /** Or what gets a certificate (PEM) without one, for a root and a CSR (both PEM). */
  readonly token: string | ((root: string, csr: string) => Promise<Enrolled>);
  readonly files: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly keyType: KeyType;
  /** Encrypts the key. */
  readonly passphrase: string | undefined;
}

/**
 * Enrols into files. The key (0600) and the CSR are stored before anything is sent, so that after a crash or a lost
 * answer the same command with the same token gets the same certificate. Nothing that is there is written over.
 */
export async function enrollToFiles(wanted: EnrollToFiles): Promise<Enrolled> {
  const { files } = wanted;
  if (existsSync(files.cert)) {
    throw new Refusal(
      "FILE_EXISTS",
      `${files.cert} is there already. Move it away, or choose another --cert.`,
    );
  }
  const root = await fetchRoot(wanted.caUrl, wanted.fingerprint);
  const key = existsSync(files.key) ? openKey(files.key, wanted.passphrase) : await makeKey(wanted);
  const pending = `${files.key}.csr`;
  const csr = storedRequest(pending, key) ?? (await storeRequest(pending, key));
  const { token } = wanted;
  const enrolled = await (typeof token === "string"
    ? enroll(wanted.caUrl, root, token, csr)
    : token(root, csr));
  if (!new X509Certificate(enrolled.certificate).checkPrivateKey(key)) {
    throw new Refusal("SERVER_UNTRUSTED", "The CA's certificate is for another key.");
  }
  writeFileAtomically(files.ca, root, PUBLIC);
  writeFileAtomically(files.cert, enrolled.chain, PUBLIC);
  rmSync(pending, { force: true });
  return enrolled;
}

async function makeKey({ files, keyType, passphrase }: EnrollToFiles): Promise<KeyObject> {
  const { privateKey } = await makeKeyPair(keyType);
  const pem =
    passphrase === undefined
      ? privateKey.export({ format: "pem", type: "pkcs8" })
      : await encryptPrivateKey(privateKey, passphrase);
  writeFileAtomically(files.key, pem, SECRET);
  return privateKey;
}

function openKey(path: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: readInput(path), ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw new Refusal(
      "PASSWORD_WRONG",
      `${path} is not a key, or does not open with this passphrase.`,
      String(error),
    );
  }
}

/** An earlier attempt's CSR, if it is there and is this key's. */
function storedRequest(path: string, privateKey: KeyObject): string | undefined {
  if (!existsSync(path)) return undefined;
  const csr = readInput(path);
  try {
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    return spki.equals(parseRequest(csr).spki) ? csr.toString("latin1") : undefined;
  } catch {
    return undefined;
  }
}

async function storeRequest(path: string, privateKey: KeyObject): Promise<string> {
  const csr = await makeRequest(
    { privateKey, publicKey: createPublicKey(privateKey) },
    keyTypeOf(privateKey),
  );
  writeFileAtomically(path, csr, SECRET); // whoever has it and a token could claim the key
  return csr;
}
