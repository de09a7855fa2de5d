import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder of its own for one test or one file's tests; `remove` takes it away. */
export interface Workspace {
  readonly path: string;
  readonly file: (name: string) => string;
  readonly remove: () => Promise<void>;
}

export async function makeWorkspace(): Promise<Workspace> {
  const path = await mkdtemp(join(tmpdir(), "countersign-test-"));
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** A folder that goes away when the running test ends. */
export async function testWorkspace(): Promise<Workspace> {
  const workspace = await makeWorkspace();
  onTestFinished(workspace.remove);
  return workspace;
}
