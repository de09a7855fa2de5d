import type { Surroundings } from "../processes.ts";
import { threadSeconds } from "../procfs.ts";
import { median } from "../statistics.ts";
import { type Worker, startWorker } from "../worker.ts";
import type { LoadMethods, Loading } from "./load.ts";
import type { Identity } from "./scene.ts";
import type { ServerMethods } from "./server.ts";

/** What servers with and without the enforcer are loaded with. */
export const loadings = ["full", "resumed", "kept alive"] as const satisfies readonly Loading[];

const everyLoading: readonly Loading[] = [...loadings, "down", "up"];

export interface Amount {
  /** How many processes of each server, one after another: two of the same program are not equally fast. */
  readonly processes: number;
  /** Of each load on each server before the rounds of a process, until its code is compiled. */
  readonly breakInMs: number;
  readonly rounds: number;
  /** Of each load on each server, in each round: short, so that whatever slows the machine down slows all alike. */
  readonly ms: number;
  readonly warmUpMs: number;
}

/** A server that listens. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** The name of the one that it is compared with. */
  readonly baseline?: string;
  readonly loadings: readonly Loading[];
  /** Process id of an upstream that has its core together with the load. */
  readonly upstream?: number;
  /** Of Node servers, which tell how their event loop is delayed. */
  readonly worker?: Worker<ServerMethods>;
}

/** One kind of load on one server: medians of all rounds. */
export interface Cell {
  readonly perSecond: number;
  readonly rounds: readonly number[];
  /** Of the baseline, in the same round; the median. */
  readonly ofBaseline: number | undefined;
  readonly serverCpuMicroseconds: number;
  readonly cpuOfBaseline: number | undefined;
  /** How much of its core the load used, with the upstream where there is one: towards 1, it is the load that is measured. */
  readonly loadShare: number;
  /** Milliseconds from request to answer; of requests on kept-alive connections. */
  readonly p99: number | undefined;
  /** Milliseconds; under requests on kept-alive connections, of Node servers. */
  readonly eventLoopDelay: { readonly p99: number; readonly max: number } | undefined;
}

export interface Row {
  readonly name: string;
  readonly baseline: string | undefined;
  readonly cells: Readonly<Partial<Record<Loading, Cell>>>;
}

interface Sample {
  readonly perSecond: number;
  readonly cpu: number;
  readonly loadShare: number;
  readonly p99: number | undefined;
  readonly delay: { readonly p99: number; readonly max: number } | undefined;
}

/** Round by round, under the names of server and load. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** Loads every server in turn, in rounds, so that a slow minute is everybody's. */
export async function takeSamples(
  { pinning, signal, tell }: Surroundings,
  client: Identity,
  targets: readonly Target[],
  { breakInMs, rounds, ms, warmUpMs }: Amount,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>();
  const load = startWorker<LoadMethods>("enforce/load.ts", pinning.load, signal);
  const loadAll = async (
    order: readonly Target[],
    duration: Pick<Amount, "ms" | "warmUpMs">,
    keep: (target: Target, loading: Loading, sample: Sample) => void,
  ): Promise<void> => {
    for (const loading of everyLoading) {
      for (const target of order.filter((each) => each.loadings.includes(loading))) {
        const sample = await measureOnce(load, target, loading, duration).catch((error: unknown) => {
          throw new Error(`${target.name}, ${loading}: ${String(error)}`);
        });
        keep(target, loading, sample);
      }
    }
  };
  try {
    await load.ask("prepare", client);
    tell("breaking in …");
    await loadAll(targets, { ms: breakInMs, warmUpMs: 0 }, () => undefined);
    for (let round = 0; round < rounds; round += 1) {
      tell(`round ${String(round + 1)} of ${String(rounds)} …`);
      // Nobody always comes after the same one.
      const order = round % 2 === 0 ? targets : targets.toReversed();
      await loadAll(order, { ms, warmUpMs }, ({ name }, loading, sample) => {
        const key = keyOf(name, loading);
        samples.set(key, [...(samples.get(key) ?? []), sample]);
      });
    }
  } finally {
    await load.stop();
  }
  return samples;
}

/** The figures of servers from the samples of all their processes. */
export function rowsOf(targets: readonly Target[], processes: readonly Samples[]): Row[] {
  const all = (name: string, loading: Loading): Sample[] =>
    processes.flatMap((samples) => samples.get(keyOf(name, loading)) ?? []);
  return targets.map(({ name, baseline, loadings: loaded }) => ({
    name,
    baseline,
    cells: Object.fromEntries(
      loaded.map((loading) => {
        const base = baseline === undefined ? undefined : all(baseline, loading);
        return [loading, summarise(all(name, loading), base)];
      }),
    ),
  }));
}

async function measureOnce(
  load: Worker<LoadMethods>,
  { pid, port, worker, upstream }: Target,
  loading: Loading,
  { ms, warmUpMs }: Pick<Amount, "ms" | "warmUpMs">,
): Promise<Sample> {
  const job = { loading, port };
  const watched = loading === "kept alive" ? worker : undefined;
  await load.ask("begin", job);
  await load.ask("wait", warmUpMs);
  await watched?.ask("watchDelay", undefined);
  const before = threadSeconds(pid);
  const beside = (): number => (upstream === undefined ? 0 : threadSeconds(upstream));
  const besideBefore = beside();
  const { count, seconds, cpuSeconds: loadCpu, p99 } = await load.ask("count", ms);
  const cpu = (threadSeconds(pid) - before) / count;
  const loadShare = (loadCpu + beside() - besideBefore) / seconds;
  const delay = await watched?.ask("worstDelay", undefined);
  await load.ask("end", undefined);
  return { perSecond: count / seconds, cpu, loadShare, p99, delay };
}

function summarise(samples: readonly Sample[], baseline: readonly Sample[] | undefined): Cell {
  const slowest = samples.flatMap(({ p99 }) => (p99 === undefined ? [] : [p99]));
  const delays = samples.flatMap(({ delay }) => (delay ? [delay] : []));
  const ofBaseline = (figure: (sample: Sample) => number): number | undefined =>
    baseline &&
    median(
      samples.map((sample, round) => {
        const other = baseline[round];
        return other ? figure(sample) / figure(other) : Number.NaN;
      }),
    );
  return {
    perSecond: median(samples.map(({ perSecond }) => perSecond)),
    rounds: samples.map(({ perSecond }) => perSecond),
    ofBaseline: ofBaseline(({ perSecond }) => perSecond),
    serverCpuMicroseconds: median(samples.map(({ cpu }) => cpu)) * 1e6,
    cpuOfBaseline: ofBaseline(({ cpu }) => cpu),
    loadShare: median(samples.map(({ loadShare }) => loadShare)),
    p99: slowest.length === 0 ? undefined : median(slowest),
    eventLoopDelay:
      delays.length === 0
        ? undefined
        : { p99: median(delays.map(({ p99 }) => p99)), max: Math.max(...delays.map(({ max }) => max)) },
  };
}

function keyOf(name: string, loading: Loading): string {
  return `${name}, ${loading}`;
}
