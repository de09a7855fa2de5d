import { createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
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
  await lighten(join(home, "secrets"));
  project.provide("homeTemplate", home);
  return () => rm(folder, { recursive: true, force: true });
}

/**
 * Encrypts the keys as Node does by itself, with 2,048 rounds in place of 600,000: a quarter of the time that a server
 * takes to start goes into those, and hundreds of processes open a copy of this home. `init`'s own tests keep them.
 */
async function lighten(secrets: string): Promise<void> {
  for (const [name, passwordOf] of [
    ["root.key", "root.password"],
    ["issuer.key", "password"],
    ["server.key", "password"],
  ] as const) {
    const file = join(secrets, name);
    const passphrase = (await readFile(join(secrets, passwordOf), "utf8")).trim();
    const key = createPrivateKey({ key: await readFile(file), passphrase });
    await writeFile(file, key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }));
  }
}
