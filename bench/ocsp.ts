import { parseArgs } from "node:util";
import { type OcspJob, type OcspLoadMethods } from "./ocsp/load.ts";
import { type OcspTarget, withOpenssl, withResponder } from "./ocsp/targets.ts";
import { describeMachine, ratio, table, whole } from "./issue/report.ts";
import { type Surroundings, withSurroundings } from "./processes.ts";
import { cpuSeconds } from "./procfs.ts";
import { median, percentile } from "./statistics.ts";
import { startWorker } from "./worker.ts";

const CONNECTIONS = 16;
const CERTIFICATES = 1000;
const ROUNDS = 5;
const MINUTE = 60_000;

/** Answers of each round, and of one before that is not counted. */
const FULL = { keptAlive: 10_000, fresh: 5000, own: 2000 };
const QUICK = { keptAlive: 200, fresh: 100, own: 50 };

interface Row {
  readonly name: string;
  readonly connection: "kept alive" | "its own";
  /** The median of the rounds. */
  readonly perSecond: number;
  readonly rounds: readonly number[];
  /** Milliseconds, of all rounds. */
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly serverCpuMicroseconds: number;
  /** How much of its core the load used: towards 1, it is the load that is measured. */
  readonly loadShare: number;
}

/**
 * OCSP answers per second over HTTP: kept ones, and ones signed for each nonce; beside `openssl ocsp`.
 *
 * @param flags `--quick` measures shortly
 */
export async function benchOcsp(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const { quick = false } = parseArgs({ args: [...flags], options: { quick: { type: "boolean" } } }).values;
  const amount = quick ? QUICK : FULL;
  return withSurroundings(5 * MINUTE, async (surroundings) => {
    const rows: Row[] = [];
    await withResponder(surroundings, CERTIFICATES, async (target) => {
      const add = async (name: string, hasNonce: boolean, isKeptAlive: boolean, count: number) =>
        rows.push(await measure(surroundings, target, name, { hasNonce, isKeptAlive }, count));
      await add("kept answers", false, true, amount.keptAlive);
      await add("signed for a nonce", true, true, amount.fresh);
      await add("kept answers", false, false, amount.own);
      await add("signed for a nonce", true, false, amount.own);
    });
    const peer = await withOpenssl(surroundings, CERTIFICATES, (target) =>
      measure(
        surroundings,
        target,
        "openssl ocsp, nonce",
        { hasNonce: true, isKeptAlive: false },
        amount.own,
      ),
    );
    const machine = describeMachine(surroundings.pinning);
    const figures = {
      machine,
      rows: rows.map((row) => ({
        ...row,
        ofOpenssl: row.perSecond / peer.perSecond,
        cpuOfOpenssl: row.serverCpuMicroseconds / peer.serverCpuMicroseconds,
      })),
      peer,
    };
    return { text: report(machine, rows, peer), figures };
  });
}

async function measure(
  { pinning, signal, tell }: Surroundings,
  { pid, ...target }: OcspTarget,
  name: string,
  how: Pick<OcspJob, "hasNonce" | "isKeptAlive">,
  count: number,
): Promise<Row> {
  const connection = how.isKeptAlive ? "kept alive" : "its own";
  tell(`${name}, connection ${connection} …`);
  const load = startWorker<OcspLoadMethods>("ocsp/load.ts", pinning.load, signal);
  try {
    await load.ask("prepare", { ...target, ...how, connections: CONNECTIONS });
    await load.ask("run", count);
    const rounds = [];
    while (rounds.length < ROUNDS) {
      const cpu = cpuSeconds(pid);
      const round = await load.ask("run", count);
      rounds.push({ ...round, serverCpu: cpuSeconds(pid) - cpu });
    }
    const latencies = rounds.flatMap((round) => round.latencies);
    const rates = rounds.map(({ seconds }) => count / seconds);
    return {
      ...{ name, connection, perSecond: median(rates), rounds: rates },
      latency: { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
      serverCpuMicroseconds: (median(rounds.map(({ serverCpu }) => serverCpu)) / count) * 1e6,
      loadShare: median(rounds.map((round) => round.cpuSeconds / round.seconds)),
    };
  } finally {
    await load.stop();
  }
}

function report(machine: ReturnType<typeof describeMachine>, rows: readonly Row[], peer: Row): string {
  const { node, openssl, cores, cpu, pinning } = machine;
  const line = (row: Row): string[] => [
    ...[row.name, row.connection, whole(row.perSecond)],
    ...[row.latency.p50, row.latency.p99].map((milliseconds) => milliseconds.toFixed(2)),
    ...[whole(row.serverCpuMicroseconds), ratio(row.perSecond, peer.perSecond)],
    ratio(row.serverCpuMicroseconds, peer.serverCpuMicroseconds),
    row.loadShare > 0.8 ? "the load's core was busy, it held the server back" : "",
  ];
  const head = [
    "answers",
    "connection",
    "per s",
    "p50 ms",
    "p99",
    "CPU µs",
    "per s of openssl",
    "CPU of openssl",
    "",
  ];
  return [
    `Node ${node} (OpenSSL ${openssl}) on ${String(cores)} × ${cpu}; ${pinning}`,
    `P-256, ${String(CERTIFICATES)} certificates, ${String(CONNECTIONS)} requests at once, medians of ${String(ROUNDS)} rounds`,
    "",
    ...table(2, [head, ...[...rows, peer].map(line)]),
  ].join("\n");
}
