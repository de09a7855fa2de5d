import { revocationTable } from "./enforce/report.ts";
import { measureRevocations, victimsFor } from "./enforce/revocations.ts";
import { makeClients, makeScene } from "./enforce/scene.ts";
import { withSurroundings } from "./processes.ts";

const PLAN = { revocations: 200, warmUp: 80 };
const LIMIT = 5 * 60_000;

/**
 * Time from a revocation to the first refused call on a connection that was open before, in a server with few credentials:
 * revoked by the server's own process, and through the database, as `countersign revoke` does. Another client calls without
 * pause, and must never be refused.
 */
export async function benchRevoke(): Promise<{ text: string; figures: object }> {
  return withSurroundings(LIMIT, async (surroundings) => {
    const scene = await makeScene(surroundings);
    const victims = await makeClients(scene.home, victimsFor(PLAN));
    const revocations = await measureRevocations(surroundings, scene, victims, PLAN.warmUp);
    return { text: revocationTable({ revocations }).text, figures: { revocations } };
  });
}
