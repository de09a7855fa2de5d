import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Listening } from "../../src/main.ts";

/** A server that some program started: `serve` under a limit, or one that is rigged to die. */
export interface SpawnedServer extends Listening {
  readonly process: ChildProcess;
  /** Everything it wrote to standard error: its log. */
  log(): string;
  /** Once it is gone: its exit code, and the signal that ended it. */
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
}

/** Runs a program that prints what `serve --json` does, and waits for that. */
export async function spawnServer(program: string, args: readonly string[]): Promise<SpawnedServer> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = once(child, "exit") as SpawnedServer["ended"];
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    ended.then(([code]) => {
      throw new Error(`the server exited ${String(code)} before it listened: ${log}`);
    }),
  ]);
  return { ...(JSON.parse(line) as Listening), process: child, log: () => log, ended };
}
