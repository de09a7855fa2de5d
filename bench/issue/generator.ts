import type { Surroundings } from "../processes.ts";
import { startWorker } from "../worker.ts";
import { makeAuthority } from "./authority.ts";
import { type Amount, type Measured, measure, tokensFor } from "./measure.ts";
import type { TrivialMethods } from "./trivial.ts";

/** How much the load can drive: the same load against a server that does nothing. */
export async function measureGenerator(surroundings: Surroundings, amount: Amount): Promise<Measured> {
  const { pinning, signal, tell } = surroundings;
  tell("the load alone …");
  const { pem } = await makeAuthority();
  const worker = startWorker<TrivialMethods>("issue/trivial.ts", pinning.server, signal);
  try {
    const url = `https://127.0.0.1:${String(await worker.ask("listen", pem))}`;
    const tokens = Array<string>(tokensFor(amount)).fill("cst_00000000000000000000000000000000000000");
    const target = { pid: worker.pid, url, ca: pem.cert, dialect: "countersign", tokens } as const;
    return await measure(surroundings, { ...target, isGenuine: false }, "ec-p256", amount);
  } finally {
    await worker.stop();
  }
}
