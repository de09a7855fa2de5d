import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { Refusal } from "../domain/errors.ts";

/** Where things are in a home (DESIGN §5). */
export function homePaths(home: string) {
  return {
    config: join(home, "config.json"),
    profiles: join(home, "profiles"),
    certs: join(home, "certs"),
    secrets: join(home, "secrets"),
    database: join(home, "countersign.sqlite"),
    /** Holds the id of the process that is initialising this home. */
    marker: join(home, "secrets", "initialising"),
    rootCert: join(home, "certs", "root.crt"),
    issuerCert: join(home, "certs", "issuer.crt"),
    serverCert: join(home, "certs", "server.crt"),
    rootKey: join(home, "secrets", "root.key"),
    rootPassword: join(home, "secrets", "root.password"),
    issuerKey: join(home, "secrets", "issuer.key"),
    serverKey: join(home, "secrets", "server.key"),
    password: join(home, "secrets", "password"),
  } as const;
}

export const PUBLIC = 0o644;
export const SECRET = 0o600;

/**
 * Writes a file whole or not at all, and durably: a crash leaves the old one or the new one.
 *
 * @throws Refusal FILE_UNREADABLE
 */
export function writeFileAtomically(path: string, contents: string | Uint8Array, mode: number): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = openSync(temporary, "wx", mode);
    try {
      writeSync(file, Buffer.from(contents));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be written.`, String(error));
  }
}

/** Reads a file, or standard input for `-`. Throws FILE_UNREADABLE. */
export function readInput(path: string): Buffer {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be read.`, String(error));
  }
}

/** Reads a secret: the file's text without the line end after it. Throws FILE_UNREADABLE when there is none. */
export function readSecret(path: string): string {
  const secret = readInput(path)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (secret === "") throw new Refusal("FILE_UNREADABLE", `${path} is empty.`);
  return secret;
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
