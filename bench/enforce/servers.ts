import { readFileSync } from "node:fs";
import type { Surroundings } from "../processes.ts";
import { type Worker, startWorker } from "../worker.ts";
import { type Target, loadings } from "./measure.ts";
import type { Peer } from "./peers.ts";
import type { Scene } from "./scene.ts";
import type { ServerMethods, ServerStarted } from "./server.ts";
import type { Kind } from "./terms.ts";

export interface NodeServer extends ServerStarted {
  readonly worker: Worker<ServerMethods>;
  readonly target: Target;
}

/** Starts a Node server. Whoever starts it stops its worker in a `finally`. */
export async function startServer(
  { pinning, signal }: Surroundings,
  { home, service, root, issuer }: Scene,
  kind: Kind,
): Promise<NodeServer> {
  const worker = startWorker<ServerMethods>("enforce/server.ts", pinning.server, signal);
  try {
    const trust = [root, issuer].map((file) => readFileSync(file, "latin1"));
    const started = await worker.ask("listen", { kind, home, service, trust });
    const { name, baseline } = titles[kind];
    const { pid } = worker;
    const target = {
      name,
      ...(baseline !== undefined && { baseline }),
      pid,
      port: started.port,
      worker,
      loadings,
    };
    return { ...started, worker, target };
  } catch (error) {
    await worker.stop();
    throw error;
  }
}

const titles: Readonly<Record<Kind, { readonly name: string; readonly baseline?: string }>> = {
  bare: { name: "node:https" },
  enforcer: { name: "enforcer", baseline: "node:https" },
  "bare Express": { name: "Express" },
  "enforcer, Express": { name: "enforcer with Express", baseline: "Express" },
};

/** A CRL is looked at in full handshakes; else there is nothing to be seen of it. */
export function peerTarget({ name, port, pid, hasCrl }: Peer, entries: number): Target {
  return {
    ...{ port, pid, baseline: titles.bare.name },
    name: hasCrl ? `${name}, CRL of ${entries.toLocaleString("en")}` : name,
    loadings: hasCrl ? ["full"] : loadings,
  };
}
