import { type Surroundings } from "../processes.ts";
import { cpuSeconds, memory, resetPeak } from "../procfs.ts";
import { median, percentile } from "../statistics.ts";
import { startWorker } from "../worker.ts";
import type { KeyType } from "./csr.ts";
import type { LoadJob, LoadMethods, Round } from "./load.ts";

export const CONNECTIONS = 16;

/** How much is asked for. */
export interface Amount {
  /** Requests that aren't counted. */
  readonly warmUp: number;
  readonly rounds: number;
  readonly perRound: number;
}

/** A CA that listens, and how it is asked. */
export interface Target extends Pick<LoadJob, "url" | "ca" | "dialect" | "tokens"> {
  readonly pid: number;
  readonly isGenuine?: boolean;
}

export interface Measured {
  /** The median of the rounds. */
  readonly perSecond: number;
  readonly rounds: readonly number[];
  readonly certificates: number;
  readonly distinctKeys: number;
  /** Milliseconds, of all rounds. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Of all the server's threads, for each certificate; the median of the rounds. */
  readonly serverCpuMicroseconds: number;
  readonly loadCpuMicroseconds: number;
  /** How much of its core the load used: towards 1, it is the load that is measured. */
  readonly loadShare: number;
  /** Of the server, MiB; `peak` since the warm-up, `byRound` after each. */
  readonly memory: {
    readonly before: number;
    readonly after: number;
    readonly peak: number;
    readonly byRound: readonly number[];
  };
}

export function tokensFor({ warmUp, rounds, perRound }: Amount): number {
  return warmUp + rounds * perRound;
}

/** Sends the load to a target, in rounds. */
export async function measure(
  { pinning, signal }: Surroundings,
  { pid, isGenuine = true, ...target }: Target,
  keyType: KeyType,
  amount: Amount,
): Promise<Measured> {
  const load = startWorker<LoadMethods>("issue/load.ts", pinning.load, signal);
  try {
    const before = memory(pid).now;
    const job = { ...target, keyType, connections: CONNECTIONS, isGenuine };
    const { distinctKeys } = await load.ask("prepare", job);
    await load.ask("run", amount.warmUp);
    resetPeak(pid);
    const rounds: (Round & { serverCpu: number; rss: number })[] = [];
    for (let i = 0; i < amount.rounds; i++) {
      const cpu = cpuSeconds(pid);
      const round = await load.ask("run", amount.perRound);
      rounds.push({ ...round, serverCpu: cpuSeconds(pid) - cpu, rss: memory(pid).now });
    }
    const { now: after, peak } = memory(pid);
    const byRound = rounds.map(({ rss }) => rss);
    return { ...summarise(rounds, amount), distinctKeys, memory: { before, after, peak, byRound } };
  } finally {
    await load.stop();
  }
}

function summarise(
  rounds: readonly (Round & { serverCpu: number })[],
  { perRound, rounds: count }: Amount,
): Omit<Measured, "memory" | "distinctKeys"> {
  const latencies = rounds.flatMap((round) => round.latencies);
  const rates = rounds.map(({ seconds }) => perRound / seconds);
  const each = (seconds: (round: (typeof rounds)[number]) => number): number =>
    (median(rounds.map(seconds)) / perRound) * 1e6;
  return {
    perSecond: median(rates),
    rounds: rates,
    certificates: perRound * count,
    latency: {
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      max: percentile(latencies, 1),
    },
    serverCpuMicroseconds: each(({ serverCpu }) => serverCpu),
    loadCpuMicroseconds: each((round) => round.cpuSeconds),
    loadShare: median(rounds.map((round) => round.cpuSeconds / round.seconds)),
  };
}
