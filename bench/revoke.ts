import type { Agent } from "node:https";
import { readConfigFile, resolveConfig } from "../src/config.ts";
import { parseFingerprint } from "../src/domain/identifiers.ts";
import { openState, systemClock } from "../src/home/open.ts";
import { revoke } from "../src/services/revocation.ts";
import { type TestCredential, call, enrolled, keepAlive } from "../test/support/client.ts";
import { makeTokens } from "../test/support/own-issuer.ts";
import { type TestServer, startTestServer } from "../test/support/server.ts";
import { percentile } from "./statistics.ts";

const REVOCATIONS = 200;

/**
 * Time from a revocation to the first refused call on a connection that was open before. The server is a process of its
 * own; this one revokes through the database, as `countersign revoke` does, and calls without pause on the connection
 * that is to be refused. A second credential calls all the while, and must never be refused.
 */
export async function benchRevoke(): Promise<{ text: string; figures: object }> {
  const server = await startTestServer();
  const database = await openState(resolveConfig(server.home, {}, {}, readConfigFile(server.home)));
  try {
    const tokens = await makeTokens(server.home, "bench", REVOCATIONS + 1);
    const bystander = watch(server, await enrolled(server, tokens.pop() ?? ""));
    const commits: number[] = [];
    const refusals: number[] = [];
    for (const token of tokens) {
      const credential = await enrolled(server, token);
      const agent = keepAlive(credential);
      await requireAllowed(server, agent);
      const begun = performance.now();
      const revocation = revoke(
        database,
        { clock: systemClock, actor: "bench" },
        { fingerprint: parseFingerprint(credential.fingerprint) },
        "keyCompromise",
      ).then(() => commits.push(performance.now() - begun));
      refusals.push((await untilRefused(server, agent)) - begun);
      await revocation;
      agent.destroy();
    }
    return report(commits, refusals, await bystander.stop());
  } finally {
    await database.close();
    await server.stop();
    await server.workspace.remove();
  }
}

async function requireAllowed(server: TestServer, agent: Agent): Promise<void> {
  const { status } = await call(`${server.enforce}/whoami`, { agent });
  if (status !== 200) throw new Error(`a fresh credential got ${String(status)}`);
}

async function untilRefused(server: TestServer, agent: Agent): Promise<number> {
  for (;;) {
    const answer = await call(`${server.enforce}/whoami`, { agent });
    if (!answer.reusedSocket) throw new Error("the connection was lost before it was refused");
    if (answer.status === 403) return performance.now();
  }
}

/** Calls every few milliseconds with another credential of the same account. */
function watch(
  server: TestServer,
  credential: TestCredential,
): { stop(): Promise<{ calls: number; failed: number }> } {
  const agent: Agent = keepAlive(credential);
  let calls = 0;
  let failed = 0;
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const ok = await call(`${server.enforce}/whoami`, { agent }).then(
        ({ status }) => status === 200,
        () => false,
      );
      calls += 1;
      if (!ok) failed += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
      agent.destroy();
      return { calls, failed };
    },
  };
}

function report(
  commits: readonly number[],
  refusals: readonly number[],
  bystander: { calls: number; failed: number },
): { text: string; figures: object } {
  const summary = (samples: readonly number[]) => ({
    p50: round(percentile(samples, 0.5)),
    p99: round(percentile(samples, 0.99)),
    max: round(Math.max(...samples)),
  });
  const figures = {
    revocations: refusals.length,
    commitMs: summary(commits),
    refusedMs: summary(refusals),
    bystander,
  };
  const line = (name: string, { p50, p99, max }: ReturnType<typeof summary>): string =>
    `${name.padEnd(24)} p50 ${String(p50)} ms   p99 ${String(p99)} ms   max ${String(max)} ms`;
  const text = [
    `${String(figures.revocations)} revocations, from another process, SQLite:`,
    line("revoke → committed", figures.commitMs),
    line("revoke → refused", figures.refusedMs),
    `another credential's calls: ${String(bystander.calls)}, of which failed: ${String(bystander.failed)}`,
  ].join("\n");
  return { text, figures };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
