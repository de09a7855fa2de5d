import { X509Certificate, createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { type KeyPair, keyTypeOf } from "../domain/key-policy.ts";
import type { Issuer } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { PUBLIC, SECRET, createFileAtomically, readInput, readSecret } from "../files/files.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import { issuerFrom } from "../x509/codec.ts";
import { toPem } from "../x509/pem.ts";
import { decryptPrivateKey } from "../x509/private-key.ts";
import { homePaths } from "./paths.ts";

/** Where a root's files are: in the home, or in a folder of their own once `moveRoot` has been called. */
export interface RootPlace {
  readonly cert: string;
  readonly key: string;
  readonly password: string;
  /** What the root has signed, a JSON object a line: written before each signature. */
  readonly journal: string;
  /** Its latest CRL, where there is no database. */
  readonly crl: string | undefined;
  readonly publicUrl: string | undefined;
}

/** A root that is open, to sign with. */
export interface Root {
  readonly place: RootPlace;
  readonly issuer: Issuer;
  readonly keys: KeyPair;
}

/** The root in a home. */
export function homeRoot(home: string, publicUrl: string): RootPlace {
  const { rootCert, rootKey, rootPassword, secrets } = homePaths(home);
  return {
    ...{ cert: rootCert, key: rootKey, password: rootPassword, publicUrl },
    journal: join(secrets, "root.issued.jsonl"),
    crl: undefined,
  };
}

const infoSchema = z.object({ publicUrl: z.string() });

/** The root in a folder that `moveRoot` made. Throws FILE_UNREADABLE, CONFIG_INVALID. */
export function movedRoot(directory: string): RootPlace {
  const files = movedFiles(directory);
  if (!existsSync(files.info)) {
    const hint = "'root move --to DIR' makes such a folder, of a root that is in its home.";
    throw new Refusal("FILE_UNREADABLE", `${files.info} is not there. ${hint}`);
  }
  const info = infoSchema.safeParse(parseJson(readInput(files.info).toString("utf8")));
  if (!info.success) throw new Refusal("CONFIG_INVALID", `${files.info} is not what 'root move' wrote.`);
  return { ...files, publicUrl: info.data.publicUrl };
}

/** Whether a folder, which need not be there yet, lies in another, by whatever name it goes: links are followed. */
function isWithin(home: string, directory: string): boolean {
  let [existing, rest] = [directory, ""];
  while (!existsSync(existing)) {
    rest = join(basename(existing), rest);
    existing = dirname(existing);
  }
  return relative(realpathSync(home), join(realpathSync(existing), rest)).split(sep)[0] !== "..";
}

function movedFiles(directory: string) {
  const file = (name: string): string => join(directory, name);
  return {
    ...{ cert: file("root.crt"), key: file("root.key"), password: file("root.password") },
    ...{ journal: file("root.issued.jsonl"), crl: file("root.crl"), info: file("root.json") },
  };
}

/**
 * Opens a root's key.
 *
 * @param passwordFile else the password that lies with the key
 * @throws Refusal FILE_UNREADABLE, PASSWORD_WRONG, CONFIG_INVALID.
 */
export function openRoot(place: RootPlace, passwordFile: string | undefined): Root {
  if (!existsSync(place.key)) {
    throw new Refusal(
      "FILE_UNREADABLE",
      `${place.key} is not there. If the root key was moved, say where with --root DIR, or sign there.`,
    );
  }
  const privateKey = decryptPrivateKey(
    readInput(place.key).toString("latin1"),
    readSecret(passwordFile ?? place.password),
  );
  const keys = { keyType: keyTypeOf(privateKey), privateKey, publicKey: createPublicKey(privateKey) };
  try {
    const der = new X509Certificate(readInput(place.cert)).raw;
    return { place, keys, issuer: issuerFrom(der, memorySigner(privateKey)) };
  } catch (error) {
    const fault = `${place.cert} does not go with ${place.key}.`;
    throw new Refusal("CONFIG_INVALID", fault, String(error));
  }
}

/**
 * Takes the root's key and password out of a home. Everything is copied, durably, before anything is taken away: after a
 * crash there may be both, and the same call goes on.
 *
 * @param crl the root's latest, whose number the next one goes on from
 * @returns the files that are in the folder now
 * @throws Refusal CONFIG_INVALID within the home, FILE_EXISTS when the folder holds another root's files, FILE_UNREADABLE.
 */
export function moveRoot(
  config: Config,
  publicUrl: string,
  crl: CrlRecord | undefined,
  to: string,
): string[] {
  const directory = resolve(to);
  const { home } = config;
  if (isWithin(home, directory)) {
    throw new Refusal("CONFIG_INVALID", `${directory} is within the home. Choose a place outside.`);
  }
  const from = homeRoot(home, publicUrl);
  if (!existsSync(from.key)) {
    throw new Refusal("FILE_UNREADABLE", `${from.key} is not there: the root key was moved before.`);
  }
  const target = movedFiles(directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const optional = (path: string): Buffer | undefined => (existsSync(path) ? readFileSync(path) : undefined);
  const copies: readonly (readonly [string, string | Uint8Array | undefined, number])[] = [
    [target.info, `${JSON.stringify({ publicUrl })}\n`, PUBLIC],
    [target.cert, readInput(from.cert), PUBLIC],
    [target.crl, crl && toPem("X509 CRL", crl.der), PUBLIC],
    [target.journal, optional(from.journal), SECRET],
    [target.password, optional(from.password), SECRET],
    [target.key, readInput(from.key), SECRET],
  ];
  const written = copies.flatMap(([path, contents, mode]) => {
    if (contents === undefined) return [];
    if (!createFileAtomically(path, contents, mode) && !readFileSync(path).equals(Buffer.from(contents))) {
      throw new Refusal("FILE_EXISTS", `${path} is there already, and is another. Nothing was taken away.`);
    }
    return [path];
  });
  // The key last: as long as it is there, the same call goes on.
  for (const path of [from.password, from.journal, from.key]) rmSync(path, { force: true });
  return written;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
