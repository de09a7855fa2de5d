import { type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { Refusal } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import { PUBLIC, SECRET, readInput, writeFileAtomically } from "../files/files.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { type Enrolled, enroll, fetchRoot } from "./enroll.ts";
import { isRequestOf, keyPem, openKey, requestOf } from "./key-files.ts";

export interface EnrollToFiles {
  readonly caUrl: string;
  readonly fingerprint: Fingerprint;
  readonly token: string;
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
  const enrolled = await enroll(wanted.caUrl, root, wanted.token, csr);
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
  writeFileAtomically(files.key, await keyPem(privateKey, passphrase), SECRET);
  return privateKey;
}

/** An earlier attempt's CSR, if it is there and is this key's. */
function storedRequest(path: string, privateKey: KeyObject): string | undefined {
  if (!existsSync(path)) return undefined;
  const csr = readInput(path).toString("latin1");
  return isRequestOf(csr, privateKey) ? csr : undefined;
}

async function storeRequest(path: string, privateKey: KeyObject): Promise<string> {
  const csr = await requestOf(privateKey);
  writeFileAtomically(path, csr, SECRET); // whoever has it and a token could claim the key
  return csr;
}
