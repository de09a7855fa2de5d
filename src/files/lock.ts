import { randomBytes } from "node:crypto";
import {
  closeSync,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { Refusal } from "../domain/errors.ts";
import { SECRET } from "./files.ts";

/** How often a lock is touched by who holds it, and looked at by who waits for it; milliseconds. */
const PACE = { touch: 5_000, look: 100 } as const;
/** A lock that nobody was seen to touch for so many looks, 30 s, is nobody's. */
const STALE = 300;

export interface HeldLock {
  /** Throws UNAVAILABLE when somebody took it over: this process was stopped for longer than the lock waits. */
  requireHeld(): void;
}

interface Found {
  readonly text: string;
  /** Changes when it is touched, or is another file. */
  readonly state: string;
}

/**
 * Does something with a lock file held: one process at a time, of all that see the file. Whose holder is dead on this
 * host is taken over at once, any other when it was not touched for 30 s – as counted here, so that no clock matters.
 *
 * @throws Refusal FILE_UNREADABLE when the lock cannot be made.
 */
export async function withLock<Result>(
  path: string,
  work: (lock: HeldLock) => Promise<Result>,
  pace: { readonly touch: number; readonly look: number } = PACE,
): Promise<Result> {
  const mine = JSON.stringify({ pid: process.pid, place: place(), id: randomBytes(8).toString("hex") });
  await acquire(path, mine, pace.look);
  const touching = setInterval(() => {
    touch(path);
  }, pace.touch).unref();
  try {
    return await work({
      requireHeld() {
        if (look(path)?.text === mine) return;
        throw new Refusal("UNAVAILABLE", `${path} was taken over by another process, which goes on with it.`);
      },
    });
  } finally {
    clearInterval(touching);
    if (look(path)?.text === mine) rmSync(path, { force: true });
  }
}

async function acquire(path: string, mine: string, pause: number): Promise<void> {
  let seen: string | undefined;
  let looks = 0;
  while (!create(path, mine)) {
    const found = look(path); // unless it has gone meanwhile
    looks = found?.state === seen ? looks + 1 : 0;
    seen = found?.state;
    if (found && (isDead(found.text) || looks >= STALE)) takeAway(path, found);
    else await setTimeout(found ? pause : 1);
  }
}

function create(path: string, mine: string): boolean {
  let file: number;
  try {
    file = openSync(path, "wx", SECRET);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw unwritable(path, error);
  }
  try {
    writeFileSync(file, mine);
    return true;
  } catch (error) {
    rmSync(path, { force: true });
    throw unwritable(path, error);
  } finally {
    closeSync(file);
  }
}

function unwritable(path: string, error: unknown): Refusal {
  return new Refusal("FILE_UNREADABLE", `${path} cannot be written.`, String(error));
}

function notALock(path: string): Refusal {
  return new Refusal("FILE_UNREADABLE", `${path} is no lock but a link or a folder. Take it away.`);
}

function look(path: string): Found | undefined {
  try {
    const found = lstatSync(path);
    // Creating it would not follow a link, so one that leads nowhere would be neither there nor free.
    if (!found.isFile()) throw notALock(path);
    return { text: readFileSync(path, "latin1"), state: `${String(found.ino)} ${String(found.mtimeMs)}` };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unwritable(path, error);
  }
}

function touch(path: string): void {
  try {
    const now = new Date();
    lutimesSync(path, now, now);
  } catch {
    // Then it looks stale to others, as it should if this goes on.
  }
}

/** Whether the holder is a process of this host that is no more. */
function isDead(text: string): boolean {
  try {
    const { pid, place: where } = JSON.parse(text) as { pid?: unknown; place?: unknown };
    if (where !== place() || typeof pid !== "number" || !(pid > 0)) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Takes a lock away, and puts it back if it is another one by now. */
function takeAway(path: string, found: Found): void {
  const taken = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    renameSync(path, taken);
    if (look(taken)?.state !== found.state) linkSync(taken, path);
  } catch {
    // Somebody else was faster.
  }
  rmSync(taken, { force: true });
}

/** Where a process number means the same process: this host, and among containers this one. */
function place(): string {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // not Linux
  }
}
