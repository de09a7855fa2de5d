import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { countersign } from "./run.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** An initialised home, to be copied. */
    homeTemplate: string;
  }
}

/** Initialises one home for all tests that need one and don't test that: each works on a copy (`freshHome`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-template-"));
  const home = join(folder, "home");
  const { code, stderr } = await countersign(["init", "--home", home]);
  if (code !== 0) throw new Error(`init failed: ${stderr}`);
  project.provide("homeTemplate", home);
  return () => rm(folder, { recursive: true, force: true });
}
