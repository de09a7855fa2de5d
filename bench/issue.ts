import { parseArgs } from "node:util";
import type { PeculiarMethods } from "./issue/peculiar.ts";
import { makeHome, withCountersign } from "./issue/countersign.ts";
import { type KeyType, clientKeyTypes } from "./issue/csr.ts";
import type { BareMethods } from "./issue/bare.ts";
import { measureGenerator } from "./issue/generator.ts";
import type { InProcessMethods } from "./issue/in-process.ts";
import { type Amount, CONNECTIONS, measure, tokensFor } from "./issue/measure.ts";
import { opensslSpeed } from "./issue/openssl-speed.ts";
import { measurePeers } from "./issue/peers.ts";
import { type Cell, type Figures, type InProcess, describeMachine, report } from "./issue/report.ts";
import { type Surroundings, withSurroundings } from "./processes.ts";
import { median, percentile } from "./statistics.ts";
import { startWorker } from "./worker.ts";

const FULL: Amount = { warmUp: 500, rounds: 3, perRound: 1000 };
const QUICK: Amount = { warmUp: 100, rounds: 3, perRound: 150 };
/** Of a server that does nothing. */
const GENERATOR: Amount = { warmUp: 2000, rounds: 3, perRound: 5000 };
const TENTHS = 10;
const MINUTE = 60_000;

type Pair = readonly [client: KeyType, issuer: KeyType];

const issuerKeyTypes = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "ml-dsa-44", "ml-dsa-65"] as const;
const usual: Pair = ["ec-p256", "ec-p256"];
const matrix: readonly Pair[] = [
  ...clientKeyTypes.map((client): Pair => [client, "ec-p256"]),
  ...issuerKeyTypes.filter((issuer) => issuer !== "ec-p256").map((issuer): Pair => ["ec-p256", issuer]),
];

/**
 * Certificates per second over HTTPS, against what their signatures alone cost, and beside other CAs.
 *
 * @param flags `--quick` measures one pair of key types, shortly; `--count N` the same pair with N certificates, in tenths
 */
export async function benchIssue(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const plan = readPlan(flags);
  return withSurroundings(plan.limitMs, async (surroundings) => {
    const generator = await measureGenerator(surroundings, plan.generator);
    const cells: Cell[] = [];
    for (const pair of plan.pairs) cells.push(await measureCell(surroundings, pair, plan));
    const figures: Figures = {
      machine: describeMachine(surroundings.pinning),
      generator,
      cells,
      peculiar: await measurePeculiar(surroundings, plan.seconds),
      peers: await measurePeers(surroundings, plan.peers),
      openssl: await opensslSpeed(surroundings, plan.opensslSeconds),
    };
    return { text: report(figures), figures };
  });
}

interface Plan {
  readonly pairs: readonly Pair[];
  readonly amount: Amount;
  readonly peers: Amount;
  readonly generator: Amount;
  /** For each round of a baseline. */
  readonly seconds: number;
  readonly opensslSeconds: number;
  readonly limitMs: number;
}

function readPlan(flags: readonly string[]): Plan {
  const options = { quick: { type: "boolean" }, count: { type: "string" } } as const;
  const { quick = false, count } = parseArgs({ args: [...flags], options }).values;
  const plan = {
    pairs: [usual],
    peers: QUICK,
    generator: GENERATOR,
    seconds: 0.3,
    opensslSeconds: 1,
    limitMs: 5 * MINUTE,
  };
  if (count === undefined) {
    return quick
      ? { ...plan, amount: QUICK }
      : {
          pairs: matrix,
          amount: FULL,
          peers: FULL,
          generator: GENERATOR,
          seconds: 0.5,
          opensslSeconds: 2,
          limitMs: 20 * MINUTE,
        };
  }
  const perRound = Math.ceil(Number(count) / TENTHS);
  if (!Number.isSafeInteger(perRound) || perRound < 1) {
    const code = "ERR_PARSE_ARGS_INVALID_OPTION_VALUE"; // as parseArgs itself has it
    throw Object.assign(new Error(`'--count ${count}' is not a number of certificates`), { code });
  }
  const most = ({ warmUp, rounds, perRound: each }: Amount): Amount => ({
    rounds,
    warmUp: Math.min(warmUp, Number(count)),
    perRound: Math.min(each, Number(count)),
  });
  const amount = { ...most(FULL), rounds: TENTHS, perRound };
  const [peers, generator] = [most(QUICK), most(GENERATOR)];
  return { ...plan, amount, peers, generator, limitMs: 5 * MINUTE + Number(count) * 20 };
}

async function measureCell(
  surroundings: Surroundings,
  [client, issuer]: Pair,
  { amount, peers, seconds }: Plan,
): Promise<Cell> {
  surroundings.tell(`${client} certified by ${issuer} …`);
  const measured = await withCountersign(surroundings, issuer, tokensFor(amount), (target) =>
    measure(surroundings, target, client, amount),
  );
  const inProcess = await measureInProcess(surroundings, client, issuer, peers);
  const barePerSecond = await measureBare(surroundings, client, issuer, seconds);
  const ofBare = measured.perSecond / barePerSecond;
  return { client, issuer, ...measured, inProcess, barePerSecond, ofBare };
}

async function measureInProcess(
  surroundings: Surroundings,
  keyType: KeyType,
  issuer: KeyType,
  amount: Amount,
): Promise<InProcess> {
  const { pinning, signal } = surroundings;
  const home = await makeHome(surroundings, issuer, tokensFor(amount));
  const worker = startWorker<InProcessMethods>("issue/in-process.ts", pinning.server, signal);
  try {
    await worker.ask("prepare", { ...home, keyType, atOnce: CONNECTIONS });
    await worker.ask("run", amount.warmUp);
    const rounds = [];
    while (rounds.length < amount.rounds) rounds.push(await worker.ask("run", amount.perRound));
    const latencies = rounds.flatMap((round) => round.latencies);
    return {
      perSecond: median(rounds.map((round) => amount.perRound / round.seconds)),
      latency: { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
    };
  } finally {
    await worker.stop();
  }
}

async function measureBare(
  { pinning, signal }: Surroundings,
  client: KeyType,
  issuer: KeyType,
  seconds: number,
): Promise<number> {
  const worker = startWorker<BareMethods>("issue/bare.ts", pinning.server, signal);
  try {
    return await medianOfThree(() => worker.ask("perSecond", { client, issuer, seconds }));
  } finally {
    await worker.stop();
  }
}

async function measurePeculiar({ pinning, signal }: Surroundings, seconds: number): Promise<number> {
  const worker = startWorker<PeculiarMethods>("issue/peculiar.ts", pinning.server, signal);
  try {
    return await medianOfThree(() => worker.ask("perSecond", seconds));
  } finally {
    await worker.stop();
  }
}

async function medianOfThree(sample: () => Promise<number>): Promise<number> {
  return median([await sample(), await sample(), await sample()]);
}
