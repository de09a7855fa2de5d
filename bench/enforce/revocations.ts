import { readFileSync } from "node:fs";
import { serving } from "../issue/countersign.ts";
import type { Surroundings } from "../processes.ts";
import { percentile } from "../statistics.ts";
import { startWorker } from "../worker.ts";
import type { LoadMethods } from "./load.ts";
import type { By, Revoked, RevokerMethods } from "./revoker.ts";
import type { Client, Scene } from "./scene.ts";

/** Milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Revocations {
  readonly by: By;
  readonly revocations: number;
  readonly committed: Spread;
  readonly refused: Spread;
  /** Of another credential meanwhile, on connections that were kept alive; all were answered. */
  readonly otherCalls: number;
}

/** How many revocations there are of each kind. */
export interface RevocationPlan {
  /** That are counted. */
  readonly revocations: number;
  /** Before them, that the server's code is compiled for. */
  readonly warmUp: number;
}

/** How many victims it takes. */
export function victimsFor({ revocations, warmUp }: RevocationPlan): number {
  return 1 + 2 * (warmUp + revocations);
}

/**
 * Revokes each of the victims in a real `serve` of the scene's home, half of them by the server itself, while another
 * client calls without pause. The first has the server read its list, and `warmUp` of each kind are not counted. Rejects
 * when a call of that client fails, or one of its connections is closed.
 */
export async function measureRevocations(
  surroundings: Surroundings,
  { home, root, client }: Pick<Scene, "home" | "root" | "client">,
  victims: readonly Client[],
  warmUp: number,
): Promise<Revocations[]> {
  const { pinning, signal, tell } = surroundings;
  const [first, ...others] = victims;
  const half = Math.ceil(others.length / 2);
  const plan = [
    { by: "same process", all: others.slice(0, half) },
    { by: "another process", all: others.slice(half) },
  ] as const;
  return serving(surroundings, home, async ({ ca, enforce }) => {
    const load = startWorker<LoadMethods>("enforce/load.ts", pinning.load, signal);
    const revoker = startWorker<RevokerMethods>("enforce/revoker.ts", pinning.load, signal);
    try {
      await load.ask("prepare", client);
      await revoker.ask("prepare", { home, root: readFileSync(root, "latin1"), ca, enforce });
      await revoker.ask("warmUp", first);
      const measured: Revocations[] = [];
      for (const { by, all } of plan) {
        const [before, counted] = [all.slice(0, warmUp), all.slice(warmUp)];
        tell(`${String(counted.length)} revocations, ${by} …`);
        const page = { path: "/whoami", ending: '"}\n' };
        await load.ask("begin", { loading: "kept alive", port: Number(new URL(enforce).port), page });
        await revoker.ask("revokeAll", { by, victims: before });
        const revoked = await revoker.ask("revokeAll", { by, victims: counted });
        measured.push(summarise(by, revoked, await load.ask("end", undefined)));
      }
      await revoker.ask("close", undefined);
      return measured;
    } finally {
      await Promise.all([load.stop(), revoker.stop()]);
    }
  });
}

function summarise(by: By, all: readonly Revoked[], otherCalls: number): Revocations {
  const spread = (samples: readonly number[]): Spread => ({
    p50: percentile(samples, 0.5),
    p99: percentile(samples, 0.99),
    max: Math.max(...samples),
  });
  return {
    ...{ by, revocations: all.length, otherCalls },
    committed: spread(all.map(({ committed }) => committed)),
    refused: spread(all.map(({ refused }) => refused)),
  };
}
