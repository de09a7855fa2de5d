import { vi } from "vitest";
import { run as runCommand } from "../../src/cli/run.ts";
import type { Ran } from "./run.ts";

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a command in this process, as `countersign` does in one of its own, which takes ten times as long. One after the
 * other: what is written to standard output and standard error meanwhile is taken to be the command's.
 */
export function command(args: readonly string[]): Promise<Ran> {
  const next = last.then(() => runAlone(args));
  last = next.catch(() => undefined);
  return next;
}

async function runAlone(args: readonly string[]): Promise<Ran> {
  const [stdout, stderr] = [caught(process.stdout), caught(process.stderr)];
  try {
    const code = await runCommand(args);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    for (const { restore } of [stdout, stderr]) restore();
  }
}

/** The same for a command that must succeed, in a home; returns its JSON. */
export async function admin(home: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const ran = await command([...args, "--home", home, "--json"]);
  if (ran.code !== 0) throw new Error(`${args.join(" ")} exited ${String(ran.code)}: ${ran.stderr}`);
  return JSON.parse(ran.stdout) as Record<string, unknown>;
}

function caught(stream: NodeJS.WriteStream): { text: () => string; restore: () => void } {
  const parts: string[] = [];
  const spy = vi.spyOn(stream, "write").mockImplementation((part) => {
    parts.push(String(part));
    return true;
  });
  return {
    text: () => parts.join(""),
    restore: () => {
      spy.mockRestore();
    },
  };
}
