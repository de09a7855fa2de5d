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

/**
 * Revokes each of the victims but the first, after which the server has its CRL, in a real `serve` of the scene's home, half of
 * them by the server itself, while another client calls without pause. Rejects when a call of that client fails, or one of its connections is closed.
 */
export async function measureRevocations(
  surroundings: Surroundings,
  { home, root, client }: Pick<Scene, "home" | "root" | "client">,
  victims: readonly Client[],
): Promise<Revocations[]> {
  const { pinning, signal, tell } = surroundings;
  const [first, ...others] = victims;
  const half = Math.ceil(others.length / 2);
  const plan = [
    { by: "same process", victims: others.slice(0, half) },
    { by: "another process", victims: others.slice(half) },
  ] as const;
  return serving(surroundings, home, async ({ ca, enforce }) => {
    const load = startWorker<LoadMethods>("enforce/load.ts", pinning.load, signal);
    const revoker = startWorker<RevokerMethods>("enforce/revoker.ts", pinning.load, signal);
    try {
      await load.ask("prepare", client);
      await revoker.ask("prepare", { home, root: readFileSync(root, "latin1"), ca, enforce });
      await revoker.ask("warmUp", first);
      const measured: Revocations[] = [];
      for (const part of plan) {
        tell(`${String(part.victims.length)} revocations, ${part.by} …`);
        const page = { path: "/whoami", ending: '"}\n' };
        await load.ask("begin", { loading: "kept alive", port: Number(new URL(enforce).port), page });
        const all = await revoker.ask("revokeAll", part);
        measured.push(summarise(part.by, all, await load.ask("end", undefined)));
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
