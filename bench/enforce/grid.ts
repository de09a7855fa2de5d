import type { Plan } from "../enforce.ts";
import type { Surroundings } from "../processes.ts";
import { putCredentials, setRevoked } from "./fill.ts";
import { type Cell, rowsOf, takeSamples } from "./measure.ts";
import { makeScene } from "./scene.ts";
import { startServer } from "./servers.ts";

export interface GridRow {
  readonly credentials: number;
  readonly revoked: number;
  readonly loadMs: number;
  /** Resident, MiB, when garbage was collected. */
  readonly memory: number;
  readonly full: Cell | undefined;
  readonly keptAlive: Cell | undefined;
}

/** The plain enforcer beside bare node:https: once and twice as many credentials; of none, a tenth and half, or all, revoked. */
export async function measureGrid(
  surroundings: Surroundings,
  { credentials, amount }: Plan,
): Promise<GridRow[]> {
  const scene = await makeScene(surroundings);
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
      const bare = await startServer(surroundings, scene, "bare");
      try {
        const enforcer = await startServer(surroundings, scene, "enforcer");
        try {
          const targets = [bare, enforcer].map(({ target }) => target);
          const samples = await takeSamples(surroundings, scene.client, targets, amount);
          const cells = rowsOf(targets, [samples])[1]?.cells;
          const { loadMs, memory } = enforcer;
          rows.push({
            ...{ credentials: count, revoked, loadMs, memory: memory.settled },
            ...{ full: cells?.full, keptAlive: cells?.["kept alive"] },
          });
        } finally {
          await enforcer.worker.stop();
        }
      } finally {
        await bare.worker.stop();
      }
    }
  }
  return rows;
}
