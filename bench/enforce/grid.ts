import type { Plan } from "../enforce.ts";
import type { Surroundings } from "../processes.ts";
import { putCredentials, setRevoked } from "./fill.ts";
import { type Amount, type Row, rowsOf, takeSamples } from "./measure.ts";
import { startPeers } from "./peers.ts";
import { type Scene, makeScene } from "./scene.ts";
import { type NodeServer, peerTarget, startServer } from "./servers.ts";
import { kinds } from "./terms.ts";

export interface GridRow {
  readonly credentials: number;
  readonly revoked: number;
  readonly loadMs: number;
  /** Resident, MiB, when garbage was collected. */
  readonly memory: number;
  /** Every server, in the order in which they were started. */
  readonly servers: readonly Row[];
}

/** Six times all servers: fewer rounds, and less time to compile. */
const SHORTER = { processes: 1, rounds: 3, breakInMs: 400 } as const satisfies Partial<Amount>;

/**
 * Every server with once and twice as many credentials, of which none, a tenth and half, or all, are revoked. Other
 * programs hold no credentials, and are there to be compared with.
 */
export async function measureGrid(
  surroundings: Surroundings,
  { credentials, amount }: Plan,
): Promise<GridRow[]> {
  const scene = await makeScene(surroundings);
  const shorter = amount.processes === 1 ? amount : { ...amount, ...SHORTER };
  const rows: GridRow[] = [];
  let filled = 0;
  // One file, filled once: what comes next is made of what was there.
  for (const count of [credentials, 2 * credentials]) {
    surroundings.tell(`${String(count)} credentials …`);
    putCredentials(scene.home, count - filled, filled);
    filled = count;
    for (const revoked of [0, credentials / 10, credentials]) {
      surroundings.tell(`${String(revoked)} of them revoked …`);
      setRevoked(scene.home, revoked);
      rows.push({ credentials: count, revoked, ...(await measureAll(surroundings, scene, shorter)) });
    }
  }
  return rows;
}

async function measureAll(
  surroundings: Surroundings,
  scene: Scene,
  amount: Amount,
): Promise<Pick<GridRow, "loadMs" | "memory" | "servers">> {
  const running: { stop: () => Promise<void> }[] = [];
  try {
    const servers: NodeServer[] = [];
    for (const kind of kinds) {
      const server = await startServer(surroundings, scene, kind);
      running.push(server.worker);
      servers.push(server);
    }
    const peers = await startPeers(surroundings, scene, {});
    running.push(...peers);
    const targets = [...servers.map(({ target }) => target), ...peers.map((peer) => peerTarget(peer, 0))];
    const samples = await takeSamples(surroundings, scene.client, targets, amount);
    const { loadMs = 0, memory } = servers[kinds.indexOf("enforcer")] ?? {};
    return { loadMs, memory: memory?.settled ?? 0, servers: rowsOf(targets, [samples]) };
  } finally {
    await Promise.all(running.map((each) => each.stop()));
  }
}
