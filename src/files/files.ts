import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Refusal } from "../domain/errors.ts";

/** Modes of files that everybody may read, and of those that only their owner may. */
export const PUBLIC = 0o644;
export const SECRET = 0o600;

/**
 * Writes a file whole or not at all, and durably: a crash leaves the old one or the new one.
 *
 * @throws Refusal FILE_UNREADABLE
 */
export function writeFileAtomically(path: string, contents: string | Uint8Array, mode: number): void {
  place(path, contents, mode, (temporary) => {
    renameSync(temporary, path);
  });
}

/** The same for a file that must not be there yet: of several who try, one creates it. Returns whether this one did. */
export function createFileAtomically(path: string, contents: string | Uint8Array, mode: number): boolean {
  let created = true;
  place(path, contents, mode, (temporary) => {
    try {
      linkSync(temporary, path); // which fails, as renaming does not, when it is there
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      created = false;
    }
    rmSync(temporary, { force: true }); // another attempt may have tidied up meanwhile
  });
  return created;
}

/** Adds to the end of a file of secrets, durably. Throws FILE_UNREADABLE. */
export function appendDurably(path: string, text: string): void {
  try {
    const file = openSync(path, "a", SECRET);
    try {
      writeFileSync(file, text); // all of it: a write alone may be cut short on a full disk
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    syncDirectory(dirname(path));
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be written.`, String(error));
  }
}

function place(
  path: string,
  contents: string | Uint8Array,
  mode: number,
  put: (temporary: string) => void,
): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = openSync(temporary, "wx", mode);
    try {
      writeFileSync(file, contents);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    put(temporary);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be written.`, String(error));
  }
}

/** Puts a file in another's place, in one step and durably. Throws FILE_UNREADABLE. */
export function moveDurably(from: string, to: string): void {
  try {
    renameSync(from, to);
    syncDirectory(dirname(to));
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${to} cannot be written.`, String(error));
  }
}

/**
 * Lets a new file be read by those who may read the one that it is to replace: it gets the same owner and group, as far as
 * this process may give it away, and what of the mode is about reading; a secret is not for everybody, whatever that says.
 */
export function readableAs(path: string, before: string, kind: typeof PUBLIC | typeof SECRET): void {
  const { mode, uid, gid } = statSync(before);
  const give = (owner: number): boolean =>
    succeeds(() => {
      chownSync(path, owner, gid);
    });
  const isSameGroup = give(uid) || give(statSync(path).uid);
  const readers = (isSameGroup ? 0o040 : 0) | (kind === SECRET ? 0 : 0o004);
  succeeds(() => {
    chmodSync(path, SECRET | (mode & readers)); // not where files have no modes
  });
}

function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/** Takes away what processes that were killed have left of writing a file, or one whose name goes on. Throws FILE_UNREADABLE. */
export function removeTemporaries(path: string): void {
  const [folder, name] = [dirname(path), basename(path)];
  try {
    for (const found of readdirSync(folder)) {
      if (found.startsWith(`${name}.`) && /\.[0-9a-f]{12}\.tmp$/.test(found)) rmSync(join(folder, found));
    }
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${folder} cannot be read, or not written.`, String(error));
  }
}

/**
 * Whether there is a file with just these contents. No link is followed, and nothing waited for: of a FIFO, reading would
 * not end.
 */
export function isFileOf(path: string, contents: Uint8Array): boolean {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return false; // writing it will tell what is wrong, if that doesn't set it right
  }
  try {
    const found = fstatSync(file);
    return found.isFile() && found.size === contents.length && readFileSync(file).equals(contents);
  } finally {
    closeSync(file);
  }
}

/** Makes a folder, with those above it, unless it is there. Throws FILE_UNREADABLE. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new Refusal(
      "FILE_UNREADABLE",
      `${path} is not a folder, and none can be made there.`,
      String(error),
    );
  }
}

/** The same for a folder that only its owner may look into; one that is there keeps its mode. Throws FILE_UNREADABLE. */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be made.`, String(error));
  }
}

/**
 * Fails if no file can be put where one is to be; nothing is written.
 *
 * @throws Refusal FILE_UNREADABLE
 */
export function requireWritablePlace(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
    if (!statSync(dirname(path)).isDirectory()) throw new Error(`${dirname(path)} is not a folder`);
  } catch (error) {
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

/**
 * Reads a file that nobody else can have put there or changed: it belongs to this process's user, to root or to one that is
 * named, and others may not write to it. Where there are no users, every file is taken.
 *
 * @param otherwise what to do about one that is not; a sentence
 * @throws Refusal FILE_UNREADABLE
 */
export function readOwnFile(path: string, otherwise: string, alsoOf?: number): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // of a FIFO, reading would not end
    const { uid, mode } = fstatSync(file);
    const own = process.getuid?.();
    if (own !== undefined && (![own, 0, alsoOf].includes(uid) || (mode & 0o022) !== 0)) {
      const message = `${path} belongs to another user, or others may write to it. ${otherwise}`;
      throw new Refusal("FILE_UNREADABLE", message);
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be read.`, String(error));
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Reads a secret: the file's text without the line end after it. Throws FILE_UNREADABLE when there is none. */
export function readSecret(path: string): string {
  const secret = secretIn(path);
  if (secret === "") throw new Refusal("FILE_UNREADABLE", `${path} is empty.`);
  return secret;
}

/** The same for a password: an empty one is PASSWORD_EMPTY. */
export function readPasswordFile(path: string): string {
  const password = secretIn(path);
  if (password === "")
    throw new Refusal("PASSWORD_EMPTY", `${path} is empty: an empty password protects nothing.`);
  return password;
}

function secretIn(path: string): string {
  return readInput(path)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
