import type { KeyObject } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import { type KeyType, keyTypeOf } from "../../domain/key-policy.ts";
import { PUBLIC, SECRET, readInput, writeFileAtomically } from "../../files/files.ts";
import { makeKeyPair } from "../../keys/key-pair.ts";
import { pkcs12, requirePkcs12Key } from "../../x509/pkcs12-writer.ts";
import { type ClientFiles, certificatesIn, requireChainFor } from "../files/certificate-files.ts";
import { type Enrolled, enroll, fetchRoot } from "./enroll.ts";
import { isRequestOf, keyPem, openOwnKey, requestOf } from "../files/key-files.ts";
import { clearRenewal, enrolmentCsr } from "../renewal/pending-renewal.ts";

export const DEFAULT_KEY_TYPE: KeyType = "ec-p256";

/** Another way to a certificate than to send a token once; roots and CSRs are PEM. */
export interface OtherWay {
  /** Throws TOKEN_REQUIRED where there is no such way; nothing is left behind. */
  readonly requirePossible?: (root: string) => Promise<void>;
  readonly ask: (root: string, csr: string) => Promise<Enrolled>;
}

export interface EnrollToFiles {
  readonly caUrl: string;
  readonly fingerprint: Fingerprint;
  /** Or how to get a certificate without one. */
  readonly token: string | OtherWay;
  readonly files: ClientFiles;
  /** `ec-p256` if not given; a key that is there already must be of this type. */
  readonly keyType: KeyType | undefined;
  /** Encrypts the key. */
  readonly passphrase: string | undefined;
  /** A PKCS#12 file of the same, besides. */
  readonly p12?: { readonly file: string; readonly password: string } | undefined;
}

export interface EnrolledFiles extends Enrolled {
  /** Whether the key was there already. */
  readonly hadKey: boolean;
}

/**
 * Enrols into files. The key (0600) and the CSR are stored before anything is sent, so that after a crash or a lost
 * answer the same command with the same token gets the same certificate. Nothing that is there is written over.
 */
export async function enrollToFiles(wanted: EnrollToFiles): Promise<EnrolledFiles> {
  const { files, p12 } = wanted;
  const found = checkFiles(wanted);
  const root = await fetchRoot(wanted.caUrl, wanted.fingerprint);
  requireRootPlace(files.ca, root);
  const { token } = wanted;
  if (typeof token !== "string") await token.requirePossible?.(root);
  const key = found ?? (await makeKey(wanted));
  const pending = enrolmentCsr(files);
  const csr = storedRequest(pending, key) ?? (await storeRequest(pending, key));
  const enrolled = await (typeof token === "string"
    ? enroll(wanted.caUrl, root, token, csr)
    : token.ask(root, csr));
  requireChainFor(key, enrolled.chain);
  writeFileAtomically(files.ca, root, PUBLIC);
  if (p12) await writePkcs12(p12, key, enrolled);
  writeFileAtomically(files.cert, enrolled.chain, PUBLIC);
  clearRenewal(files);
  rmSync(pending, { force: true });
  return { ...enrolled, hadKey: found !== undefined };
}

/**
 * Fails if what is wanted cannot be put where it is wanted; nothing is sent or written.
 *
 * @returns the key, if it is there already
 * @throws Refusal FILE_EXISTS, also for a key of another type; FILE_UNREADABLE, PASSWORD_WRONG; KEY_UNSUPPORTED for a
 * PKCS#12 file.
 */
export function checkFiles({ files, keyType, passphrase, p12 }: EnrollToFiles): KeyObject | undefined {
  if (existsSync(files.cert)) throw fileExists(files.cert, "--cert");
  // With a CSR that is still there, it is what an attempt that was cut short has written.
  if (p12 && existsSync(p12.file) && !existsSync(enrolmentCsr(files)))
    throw fileExists(p12.file, "--out-p12");
  const key = existsSync(files.key)
    ? openOwnKey(files.key, passphrase, "Move it away if it is not yours; else take it over, with mode 600.")
    : undefined;
  const found = key && keyTypeOf(key);
  if (found && keyType && found !== keyType) {
    throw new Refusal(
      "FILE_EXISTS",
      `${files.key} is there already, with a key of type ${found}. Choose another --key, or leave --key-type out.`,
    );
  }
  if (p12) requirePkcs12Key(found ?? keyType ?? DEFAULT_KEY_TYPE);
  return key;
}

/** Another CA's root is not written over. */
export function requireRootPlace(path: string, root: string): void {
  if (existsSync(path) && readInput(path).toString("latin1") !== root) throw fileExists(path, "--ca");
}

function fileExists(path: string, option: string): Refusal {
  return new Refusal("FILE_EXISTS", `${path} is there already. Move it away, or choose another ${option}.`);
}

async function writePkcs12(
  { file, password }: { readonly file: string; readonly password: string },
  key: KeyObject,
  { chain, root, account }: Enrolled,
): Promise<void> {
  const certificates = certificatesIn(chain + root).map(({ raw }) => raw);
  writeFileAtomically(file, await pkcs12({ key, certificates, friendlyName: account }, password), SECRET);
}

async function makeKey({ files, keyType, passphrase }: EnrollToFiles): Promise<KeyObject> {
  const { privateKey } = await makeKeyPair(keyType ?? DEFAULT_KEY_TYPE);
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
