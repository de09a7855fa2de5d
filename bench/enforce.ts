import { join } from "node:path";
import { parseArgs } from "node:util";
import { runOk } from "../test/support/run.ts";
import { writeDocs } from "./enforce/docs.ts";
import { putCredentials, setRevoked } from "./enforce/fill.ts";
import { type GridRow, measureGrid } from "./enforce/grid.ts";
import { type Amount, type Row, type Samples, rowsOf, takeSamples } from "./enforce/measure.ts";
import { startPeers } from "./enforce/peers.ts";
import { gridTable, report } from "./enforce/report.ts";
import {
  type RevocationPlan,
  type Revocations,
  measureRevocations,
  victimsFor,
} from "./enforce/revocations.ts";
import { type Scene, makeClients, makeScene } from "./enforce/scene.ts";
import { type NodeServer, peerTarget, startServer } from "./enforce/servers.ts";
import { kinds } from "./enforce/terms.ts";
import { bin, cleanEnvironment } from "./issue/countersign.ts";
import { describeMachine } from "./issue/report.ts";
import { type Surroundings, withSurroundings } from "./processes.ts";

const MINUTE = 60_000;

export interface Plan extends RevocationPlan {
  readonly credentials: number;
  readonly revoked: number;
  /** Entries of the CRL that other servers are given. */
  readonly crl: number;
  readonly amount: Amount;
}

const FULL: Plan = {
  ...{ credentials: 1_000_000, revoked: 500_000, crl: 100_000, revocations: 1000, warmUp: 80 },
  amount: { processes: 3, breakInMs: 1500, rounds: 9, ms: 300, warmUpMs: 120 },
};
const QUICK: Plan = {
  ...{ credentials: 1000, revoked: 500, crl: 100, revocations: 5, warmUp: 2 },
  amount: { processes: 1, breakInMs: 20, rounds: 1, ms: 100, warmUpMs: 20 },
};

/** What it costs to hold the credentials in memory. */
export interface IndexCost {
  readonly loadMs: number;
  /** Resident, MiB: with all credentials less with next to none; when the server listens, and when garbage was collected. */
  readonly started: number;
  readonly settled: number;
}

export interface Figures {
  readonly machine: ReturnType<typeof describeMachine>;
  readonly plan: Plan;
  readonly rows: readonly Row[];
  readonly index: IndexCost;
  readonly revocations: readonly Revocations[];
}

/**
 * Handshakes and requests per second behind the enforcer, beside the same without it and beside other servers; what its
 * memory costs; and how long a revocation takes to be felt.
 *
 * @param flags `--quick` measures shortly, with few credentials; `--grid` measures with more and fewer credentials and
 *   revocations, and nothing else; `--write` puts table and chart into docs/
 */
export async function benchEnforce(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const boolean = { type: "boolean", default: false } as const;
  const options = { quick: boolean, grid: boolean, write: boolean };
  const { quick, grid, write } = parseArgs({ args: [...flags], options }).values;
  const plan = quick ? QUICK : FULL;
  return withSurroundings((grid ? 25 : 12) * MINUTE, async (surroundings) => {
    const machine = describeMachine(surroundings.pinning);
    if (grid) {
      const rows: readonly GridRow[] = await measureGrid(surroundings, plan);
      if (write) await writeDocs({ grid: rows });
      return { text: gridTable(rows).text, figures: { machine, grid: rows } };
    }
    const figures = { machine, plan, ...(await measureEverything(surroundings, plan)) };
    if (write) await writeDocs({ figures });
    return { text: report(figures), figures };
  });
}

async function measureEverything(
  surroundings: Surroundings,
  plan: Plan,
): Promise<Pick<Figures, "rows" | "index" | "revocations">> {
  const { tell } = surroundings;
  tell("a home and its clients …");
  const scene = await makeScene(surroundings);
  const victims = await makeClients(scene.home, victimsFor(plan));
  const without = await startServer(surroundings, scene, "enforcer");
  await without.worker.stop();
  tell(`${String(plan.credentials)} credentials …`);
  const crl = await fill(surroundings, scene, plan);
  const { rows, index } = await measureServers(surroundings, scene, plan, crl, without);
  return { rows, index, revocations: await measureRevocations(surroundings, scene, victims, plan.warmUp) };
}

/** @returns a file with the CRLs, PEM, of when there were that many entries */
async function fill(
  { folder, signal }: Surroundings,
  { home }: Scene,
  { credentials, revoked, crl }: Plan,
): Promise<string> {
  putCredentials(home, crl);
  setRevoked(home, crl);
  const out = join(folder, "crls");
  const publish = ["crl", "publish", "--home", home, "--out", out];
  await runOk(bin, publish, { env: cleanEnvironment(), signal });
  putCredentials(home, credentials - crl, crl);
  setRevoked(home, revoked);
  return join(out, "all.pem");
}

async function measureServers(
  surroundings: Surroundings,
  scene: Scene,
  plan: Plan,
  crl: string,
  without: NodeServer,
): Promise<Pick<Figures, "rows" | "index">> {
  const { amount } = plan;
  const samples: Samples[] = [];
  for (let one = 1; ; one += 1) {
    surroundings.tell(`process ${String(one)} of ${String(amount.processes)} of each server …`);
    const running: { stop: () => Promise<void> }[] = [];
    try {
      const targets = [];
      let index: IndexCost | undefined;
      for (const kind of kinds) {
        const server = await startServer(surroundings, scene, kind);
        running.push(server.worker);
        targets.push(server.target);
        if (kind === "enforcer") index = costOf(server, without);
      }
      const peers = await startPeers(surroundings, scene, { crl });
      running.push(...peers);
      targets.push(...peers.map((peer) => peerTarget(peer, plan.crl)));
      samples.push(await takeSamples(surroundings, scene.client, targets, amount));
      if (!index) throw new Error("no enforcer was started");
      if (one === amount.processes) return { rows: rowsOf(targets, samples), index };
    } finally {
      await Promise.all(running.map((each) => each.stop()));
    }
  }
}

function costOf({ loadMs, memory }: NodeServer, without: NodeServer): IndexCost {
  return {
    loadMs,
    started: memory.started - without.memory.started,
    settled: memory.settled - without.memory.settled,
  };
}
