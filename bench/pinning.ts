import { run } from "../test/support/run.ts";

/** What goes in front of a command so that server and load don't take each other's core. */
export interface Pinning {
  readonly server: readonly string[];
  readonly load: readonly string[];
  /** For the report. */
  readonly note: string;
}

/** Server on core 0, load on core 1; nothing is pinned where that can't be had. */
export async function findPinning(): Promise<Pinning> {
  const [server, load] = [0, 1].map((core) => ["taskset", "-c", String(core)]) as [string[], string[]];
  const works = await Promise.all([server, load].map(canRun));
  return works.every(Boolean)
    ? { server, load, note: "server on core 0, load on core 1" }
    : { server: [], load: [], note: "NOT PINNED (no taskset, or no core 0 and 1): server and load compete" };
}

async function canRun([program = "", ...args]: readonly string[]): Promise<boolean> {
  const { code } = await run(program, [...args, "true"]).catch(() => ({ code: null }));
  return code === 0;
}
