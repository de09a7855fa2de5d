import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Where a home is kept that several files copy: to encrypt its keys costs most of what a file's tests do. */
    madeHomeFolder: string;
  }
}

/** Has a place for it in this run; the first file that wants the home makes it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-home-"));
  project.provide("madeHomeFolder", folder);
  return () => rm(folder, { recursive: true, force: true });
}

/**
 * Copies the run's home to where there is none yet. Each copy has the same CA, and records of its own.
 *
 * @param make makes a home; called once in the run
 */
export async function copyMadeHome(
  folder: string,
  to: string,
  make: (home: string) => Promise<unknown>,
): Promise<void> {
  const made = join(folder, "made");
  while (!existsSync(made)) {
    if (!claim(join(folder, "claimed"))) {
      await setTimeout(20);
      continue;
    }
    try {
      await make(join(folder, "unfinished"));
      renameSync(join(folder, "unfinished"), made);
    } finally {
      rmSync(join(folder, "claimed"), { recursive: true });
    }
  }
  await cp(made, to, { recursive: true });
}

/** Whether this process is the one to make it: only one can create a folder. */
function claim(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}
