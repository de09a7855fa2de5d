import { cp } from "node:fs/promises";
import { inject } from "vitest";
import { countersign } from "./run.ts";

/**
 * Makes a home as `init` does without options, by copying one: all of them have the same CA, and nothing else in common.
 * Whoever needs two CAs, or tests `init`, runs it.
 */
export async function freshHome(home: string): Promise<void> {
  const template = templateOfTests();
  if (template === undefined) await initHome(home);
  else await cp(template, home, { recursive: true, preserveTimestamps: true });
}

/** Makes a home with a CA of its own. */
export async function initHome(
  home: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const { code, stderr } = await countersign(["init", "--home", home, ...args], { env });
  if (code !== 0) throw new Error(`init failed: ${stderr}`);
}

/** Benches use this too, and have none. */
function templateOfTests(): string | undefined {
  try {
    return inject("homeTemplate");
  } catch {
    return undefined;
  }
}
