import { parseArgs } from "node:util";
import { writeTable } from "./enforce/docs.ts";
import type { Loading } from "./enforce/load.ts";
import { type Amount, type Row, type Samples, type Target, rowsOf, takeSamples } from "./enforce/measure.ts";
import { startPeers } from "./enforce/peers.ts";
import { type Scene, makeScene } from "./enforce/scene.ts";
import { AT_ONCE } from "./enforce/terms.ts";
import { gatewayTable } from "./gateway/report.ts";
import type { GatewayMethods } from "./gateway/server.ts";
import type { UpstreamMethods } from "./gateway/upstream.ts";
import { describeMachine } from "./issue/report.ts";
import { type Surroundings, withSurroundings } from "./processes.ts";
import { memory } from "./procfs.ts";
import { median } from "./statistics.ts";
import { startWorker } from "./worker.ts";

const MINUTE = 60_000;
const FULL: Amount = { processes: 3, breakInMs: 1500, rounds: 9, ms: 300, warmUpMs: 120 };
const QUICK: Amount = { processes: 1, breakInMs: 20, rounds: 1, ms: 60, warmUpMs: 10 };

/** The gateway's name; others are `nginx` and `Caddy`, where they are installed. */
const OURS = "gateway";
const loadings = ["kept alive", "down", "up"] as const satisfies readonly Loading[];

/** How the gateway's figures are to another's: medians of rounds, a round beside the same round. */
export interface Ratios {
  readonly to: string;
  readonly requests: number | undefined;
  readonly cpu: number | undefined;
  readonly p99: number | undefined;
  readonly down: number | undefined;
  readonly up: number | undefined;
  /** MiB, of the other. */
  readonly memoryOf: number;
}

export interface GatewayRow extends Row {
  /** Resident after all the load, at its highest, MiB; the median of the processes. */
  readonly memory: number;
  readonly ratios: readonly Ratios[];
}

/**
 * Calls per second through the gateway, beside the same through other reverse proxies that ask for client certificates:
 * small answers, 1 MB down and 1 MB up; and memory.
 *
 * @param flags `--quick` measures shortly; `--write` puts the table into docs/
 */
export async function benchGateway(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const boolean = { type: "boolean", default: false } as const;
  const options = { quick: boolean, write: boolean };
  const { quick, write } = parseArgs({ args: [...flags], options }).values;
  const amount = quick ? QUICK : FULL;
  return withSurroundings(10 * MINUTE, async (surroundings) => {
    const machine = describeMachine(surroundings.pinning);
    const rows = await measure(surroundings, amount);
    const table = gatewayTable(rows);
    if (write) await writeTable("gateway", table);
    const about = [
      `Node ${machine.node} (OpenSSL ${machine.openssl}) on ${String(machine.cores)} × ${machine.cpu}; ${machine.pinning}`,
      `${String(AT_ONCE)} at once, medians of ${String(amount.rounds)} rounds with each of ${String(amount.processes)} processes`,
    ];
    return { text: [...about, "", table.text].join("\n"), figures: { machine, amount, rows } };
  });
}

async function measure(surroundings: Surroundings, amount: Amount): Promise<GatewayRow[]> {
  const scene = await makeScene(surroundings);
  // Beside the load: a gateway has its core to itself.
  const upstream = startWorker<UpstreamMethods>(
    "gateway/upstream.ts",
    surroundings.pinning.load,
    surroundings.signal,
  );
  try {
    const asked = {
      pid: upstream.pid,
      address: `127.0.0.1:${String(await upstream.ask("listen", undefined))}`,
    };
    const runs: { readonly targets: readonly Target[]; readonly samples: Samples; readonly sizes: Sizes }[] =
      [];
    for (let one = 1; one <= amount.processes; one += 1) {
      surroundings.tell(`process ${String(one)} of ${String(amount.processes)} of each server …`);
      runs.push(await measureProcesses(surroundings, scene, asked, amount));
    }
    const targets = runs[0]?.targets ?? [];
    const sizeOf = (name: string): number => median(runs.map(({ sizes }) => sizes.get(name) ?? Number.NaN));
    return withRatios(
      targets,
      runs.map(({ samples }) => samples),
      sizeOf,
    );
  } finally {
    await upstream.stop();
  }
}

/** MiB, by name. */
type Sizes = ReadonlyMap<string, number>;

async function measureProcesses(
  surroundings: Surroundings,
  scene: Scene,
  { pid: behind, address: upstream }: { readonly pid: number; readonly address: string },
  amount: Amount,
): Promise<{ readonly targets: readonly Target[]; readonly samples: Samples; readonly sizes: Sizes }> {
  const { pinning, signal } = surroundings;
  const { home, service, client } = scene;
  const running: { stop: () => Promise<void> }[] = [];
  try {
    const gateway = startWorker<GatewayMethods>("gateway/server.ts", pinning.server, signal);
    running.push(gateway);
    const port = await gateway.ask("listen", { home, service, upstream });
    const peers = await startPeers(surroundings, scene, { upstream });
    running.push(...peers);
    const targets = [{ name: OURS, port, pid: gateway.pid }, ...peers].map((each) => ({
      ...{ loadings, upstream: behind, name: each.name, port: each.port, pid: each.pid },
    }));
    const samples = await takeSamples(surroundings, client, targets, amount);
    return { targets, samples, sizes: new Map(targets.map(({ name, pid }) => [name, memory(pid).peak])) };
  } finally {
    await Promise.all(running.map((each) => each.stop()));
  }
}

function withRatios(
  targets: readonly Target[],
  samples: readonly Samples[],
  sizeOf: (name: string) => number,
): GatewayRow[] {
  const rows = rowsOf(targets, samples);
  const ours = targets.filter(({ name }) => name === OURS);
  const others = rows.filter(({ name }) => name !== OURS);
  const ratios = others.flatMap(({ name: to, cells: theirs }) =>
    rowsOf(
      ours.map((target) => ({ ...target, baseline: to })),
      samples,
    ).map(({ cells }): Ratios => {
      const { p99 } = cells["kept alive"] ?? {};
      const { p99: other } = theirs["kept alive"] ?? {};
      return {
        ...{ to, requests: cells["kept alive"]?.ofBaseline, cpu: cells["kept alive"]?.cpuOfBaseline },
        p99: p99 !== undefined && other !== undefined ? p99 / other : undefined,
        ...{ down: cells.down?.ofBaseline, up: cells.up?.ofBaseline, memoryOf: sizeOf(to) },
      };
    }),
  );
  return rows.map((row) => ({
    ...row,
    memory: sizeOf(row.name),
    ratios: row.name === OURS ? ratios : [],
  }));
}
