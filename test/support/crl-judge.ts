import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { Agent, type AgentOptions } from "node:https";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type TestCredential, call } from "./client.ts";
import type { CrlScene } from "./crl-scene.ts";
import { freePort } from "./free-port.ts";

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
}

/** Where Debian has them, which is not on everybody's PATH. */
const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` };

/** The tests that every recipe must pass. */
export function judged(scene: CrlScene, judge: Judge): void {
  const { name, refusal } = judge;
  const [program, ...args] = judge.version;
  const isInstalled = spawnSync(program, args, { env }).status === 0;

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
      server.reload();
      await server.comesTo(scene.held, 200);
      await server.comesTo(scene.revoked, refusal);
    });

    test.runIf(isInstalled)("does not resume a TLS session from before", async () => {
      const agents = (["TLSv1.2", "TLSv1.3"] as const).map((maxVersion) =>
        sessionKeeper(scene.held, maxVersion),
      );
      for (const agent of agents) await server.comesTo(agent, 200);
      await scene.server.admin("suspend", scene.held.serial);
      await scene.publish();
      server.reload();
      for (const client of [scene.held, ...agents]) await server.comesTo(client, refusal);
    });

    test.runIf(isInstalled).each(["no root's", "a stale"] as const)(
      "refuses everybody with %s CRL",
      async (what) => {
        await scene.write(what);
        server.reload();
        await server.comesTo(scene.good, refusal);
        await scene.write("all");
        server.reload();
        await server.comesTo(scene.good, 200);
      },
    );
  });
}

/** Offers the session of its last connection, on the next one. */
export function sessionKeeper({ key, cert, ca }: TestCredential, maxVersion: "TLSv1.2" | "TLSv1.3"): Agent {
  return new Agent({ key, cert, ca, keepAlive: false, maxVersion, maxCachedSessions: 1 } as AgentOptions);
}

function runningServer(judge: Judge, anybody: () => TestCredential) {
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
      child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
      await vi.waitFor(
        async () => {
          expect(await status(anybody()).catch(() => log)).toBe(200);
        },
        { timeout: 20_000 },
      );
    },
    /** Makes it read the CRLs again. */
    reload(): void {
      if (judge.reload) child?.kill(judge.reload);
    },
    /** Waits for that status: after a reload its old processes may answer for a moment. */
    async comesTo(client: TestCredential | Agent, expected: number): Promise<void> {
      await expect.poll(() => status(client), { timeout: 10_000, interval: 20 }).toBe(expected);
    },
    async end(): Promise<void> {
      if (child?.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
