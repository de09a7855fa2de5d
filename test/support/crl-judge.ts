import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { Agent } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, call } from "./client.ts";
import type { CrlScene } from "./crl-scene.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { withServers } from "./run.ts";

/** Other people's TLS server, that is to refuse whom our CRLs name. */
export interface Judge {
  readonly name: string;
  /** A command that works where it is installed. */
  readonly version: readonly [string, ...string[]];
  /** The command that serves on a port of 127.0.0.1. */
  readonly prepare: (port: number, folder: string) => readonly string[] | Promise<readonly string[]>;
  /** The HTTP status that a refused client gets, or 0 when TLS ends it. */
  readonly refusal: number;
  /** What makes it read the CRLs again: a signal to it, or nothing. */
  readonly reload: NodeJS.Signals | undefined;
  /** What it writes to standard error when it has; it may miss a signal that comes before. */
  readonly reloaded?: string;
}

/** The tests that every recipe must pass; `further` adds what is told of this one alone. */
export function judged(scene: CrlScene, judge: Judge, further?: (server: RunningServer) => void): void {
  const { name, refusal } = judge;
  const isInstalled = isThere(judge);

  describe(`${name} with the published directory`, () => {
    const server = runningServer(judge, () => scene.good);
    beforeAll(() => (isInstalled ? server.begin(scene.server.workspace.file(name)) : undefined), 120_000);
    afterAll(() => server.end());

    test("is installed", ({ skip }) => {
      if (!isInstalled && process.env["CI"] === undefined) skip(`${name} is not installed`);
      expect(isInstalled).toBe(true);
    });

    test.runIf(isInstalled)("serves the good and refuses the revoked and the suspended", async () => {
      expect(await server.status(scene.good)).toBe(200);
      expect(await server.status(scene.revoked)).toBe(refusal);
      expect(await server.status(scene.held)).toBe(refusal);
    });

    test.runIf(isInstalled)("serves the resumed once it has the next directory", async () => {
      await scene.server.admin("resume", scene.held.serial);
      await scene.publish();
      await server.reload();
      await server.comesTo(scene.held, 200);
      await server.comesTo(scene.revoked, refusal);
    });

    test.runIf(isInstalled)("does not resume a TLS session from before", async () => {
      const agents = tlsVersions.map((version) => sessionKeeper(scene.held, version));
      for (const agent of agents) await server.comesTo(agent, 200);
      await scene.server.admin("suspend", scene.held.serial);
      await scene.publish();
      await server.reload();
      for (const client of [scene.held, ...agents]) await server.comesTo(client, refusal);
    });

    test.runIf(isInstalled).each(["no root's", "a stale"] as const)(
      "refuses everybody with %s CRL",
      async (what) => {
        await scene.write(what);
        await server.reload();
        await server.comesTo(scene.good, refusal);
        await scene.write("all");
        await server.reload();
        await server.comesTo(scene.good, 200);
      },
    );
    if (isInstalled) further?.(server);
  });
}

export const tlsVersions = ["TLSv1.2", "TLSv1.3"] as const;

/** Offers the session of its last connection, on the next one. */
export function sessionKeeper(
  { key, cert, ca }: TestCredential,
  maxVersion: (typeof tlsVersions)[number],
): Agent {
  return new Agent({ key, cert, ca, keepAlive: false, maxVersion, maxCachedSessions: 1 });
}

export function isThere({ version: [program, ...args] }: Pick<Judge, "version">): boolean {
  return spawnSync(program, args, { env: withServers }).status === 0;
}

type RunningServer = ReturnType<typeof runningServer>;

export function runningServer(
  judge: Pick<Judge, "prepare" | "reload" | "reloaded">,
  anybody: () => TestCredential,
) {
  let child: ChildProcess | undefined;
  let port = 0;
  let log = "";

  const status = async (client: TestCredential | Agent): Promise<number> => {
    const agent = client instanceof Agent ? client : sessionKeeper(client, "TLSv1.3");
    try {
      return (await call(`https://127.0.0.1:${String(port)}/`, { agent })).status;
    } catch (error) {
      // Nobody was there to refuse it.
      if (error instanceof Error && error.message.includes("ECONNREFUSED")) throw error;
      return 0;
    }
  };

  return {
    status,
    async begin(folder: string): Promise<void> {
      mkdirSync(folder, { recursive: true });
      port = await freePort();
      const [program = "", ...args] = await judge.prepare(port, folder);
      child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env: withServers });
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
      await eventually(async () => {
        expect(await status(anybody()).catch(() => log)).toBe(200);
      });
    },
    /** Makes it read the CRLs again. */
    async reload(): Promise<void> {
      const { reload: signal, reloaded } = judge;
      if (!signal) return;
      const before = log.length;
      child?.kill(signal);
      if (reloaded) await expect.poll(() => log.slice(before)).toContain(reloaded);
    },
    /** Waits for that status: after a reload its old processes may answer for a moment. */
    async comesTo(client: TestCredential | Agent, expected: number): Promise<void> {
      await expect.poll(() => status(client), { interval: 20 }).toBe(expected);
    },
    async end(): Promise<void> {
      if (child?.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
