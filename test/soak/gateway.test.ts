import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Listening } from "../../src/main.ts";
import { call } from "../support/client.ts";
import { freshHome } from "../support/fresh-home.ts";
import { projectRoot } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";
import { Authority } from "./authority.ts";
import { type Client, type Slot, callOnAndOn, clients } from "./callers.ts";
import { makeThingsHappen } from "./changes.ts";
import type { Figures } from "./figures.ts";
import { expectFlat } from "./flat.ts";
import { CONNECTIONS, Reloads } from "./reloads.ts";
import { RestartedUpstream } from "./restarted-upstream.ts";
import { cutOnAndOn, listenOnAndOn } from "./sockets.ts";
import type { TestCredential } from "../support/client.ts";

/** `npm run soak` says for how long; `npm test` plays it shortly, so that it does not rot. */
const SECONDS = Number(process.env["COUNTERSIGN_SOAK_SECONDS"] ?? 3);
const isLong = SECONDS >= 30;
/** Between two looks at the server's memory, milliseconds. */
const LOOK = 2000;
/** Between two restarts of the upstream, at least; milliseconds. */
const UP = 1800;

test(
  "with reloads, revocations and an upstream that comes and goes, the gateway answers right and leaks nothing",
  { timeout: (SECONDS + 120) * 1000 },
  async () => {
    const workspace = await testWorkspace();
    const home = workspace.file("home");
    await freshHome(home);
    const upstream = await RestartedUpstream.start();
    const reloads = new Reloads(home, upstream.url);
    const authority = await Authority.open(home);
    const log = workspace.file("log");
    const server = await startServe(home, log);
    const { enforce: url } = server;
    const atRest = await server.figures();
    const complaints: string[] = [];
    const complain = (complaint: string): void => void complaints.push(complaint);
    const byOutcome = new Map<string, number>();
    const mayBeAway = upstream.mayBeAway.bind(upstream);
    const counts = { byOutcome, mayBeAway, onAllowed: () => undefined };
    const accounts = await Promise.all(["shop", "stock", "till"].map((slug) => authority.account(slug)));
    const victims = await authority.account("victims");
    const slots: Slot[] = await Promise.all(
      accounts.map(async (account) => ({ current: await authority.issue(account) })),
    );

    const stopping = new AbortController();
    const { signal } = stopping;
    const calling = slots.flatMap((slot) => [
      callOnAndOn(slot, url, signal, counts, complain, { ...clients, "with a body": withBody }),
      listenOnAndOn(slot, url, signal, counts, complain),
    ]);
    const end = performance.now() + SECONDS * 1000;
    const heaps: number[] = [];
    const [happened, reloaded, cut] = await Promise.all([
      makeThingsHappen(authority, slots, end),
      reloads.makeUntil(end, () => server.process.kill("SIGHUP")),
      cutOnAndOn(authority, victims, url, end, mayBeAway, complain),
      (async () => {
        await sleep(UP);
        while (performance.now() < end) {
          await upstream.restart();
          await sleep(UP + 2 * Math.random() * UP);
        }
      })(),
      (async () => {
        while (performance.now() < end) {
          heaps.push((await server.figures()).heapUsed);
          await sleep(LOOK);
        }
      })(),
    ]);
    stopping.abort();
    await Promise.all(calling);

    await expect.poll(() => openCalls(server.metrics)).toBe(0);
    const idle = upstream.open;
    reloads.empty();
    server.process.kill("SIGHUP");
    await expect.poll(() => upstream.open).toBe(0);
    const left = await server.figures();
    if (isLong) {
      const { restarts, peak } = upstream;
      const calls = Object.fromEntries(byOutcome);
      console.log(JSON.stringify({ calls, happened, reloaded, cut, restarts, peak, idle, heaps, left }));
    }
    expect(complaints.slice(0, 20)).toEqual([]);
    expect(byOutcome.get("ALLOWED")).toBeGreaterThan(SECONDS);
    expect(byOutcome.get("WebSockets")).toBeGreaterThan(0);
    expect(byOutcome.get("event streams")).toBeGreaterThan(0);
    expect(upstream.restarts).toBeGreaterThan(0);
    expect(upstream.peak).toBeLessThanOrEqual(2 * CONNECTIONS);
    if (isLong) expect(cut).toBeGreaterThan(0);
    await expect
      .poll(async () => (await server.figures()).descriptors)
      .toBeLessThanOrEqual(atRest.descriptors + 2);
    if (isLong) expectFlat(heaps);
    const said = readFileSync(log, "utf8");
    expect(said).toContain('"the routes were read again"');
    if (isLong) expect(said).toContain('"the routes were not read again: the old ones stay"');
    server.process.kill("SIGTERM");
    expect(await server.ended).toEqual([0, null]);
    await upstream.stop();
    await authority.close();
  },
);

const BODY = Buffer.alloc(100_000, 7);

/** Sends more than goes through at once. */
function withBody({ key, cert, ca }: TestCredential): Client {
  const agent = new Agent({ key, cert, ca, keepAlive: true, maxSockets: 1 });
  return {
    call: (url) => call(url, { agent, method: "POST", body: BODY }),
    end() {
      agent.destroy();
    },
  };
}

/** Calls and connections that are under way, over all routes. */
async function openCalls(metrics: string): Promise<number> {
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const values = [...text.matchAll(/^countersign_gateway_open\{.*\} (\S+)$/gm)].map(([, value]) =>
    Number(value),
  );
  if (values.length === 0) throw new Error("there is no such metric");
  return values.reduce((sum, value) => sum + Math.abs(value), 0);
}

interface Serve extends Listening {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
  figures(): Promise<Figures>;
}

async function startServe(home: string, log: string): Promise<Serve> {
  const figures = join(import.meta.dirname, "figures.ts");
  const listeners = ["ca", "enforce", "public", "metrics"].flatMap((name) => [
    `--${name}-listen`,
    "127.0.0.1:0",
  ]);
  const child = spawn(
    process.execPath,
    [
      ...["--expose-gc", "--import", figures, join(projectRoot, "src/cli/main.ts")],
      ...["serve", "--json", "--http2", "--home", home, ...listeners],
    ],
    { stdio: ["ignore", "pipe", openSync(log, "a"), "ipc"] },
  );
  const ended = once(child, "exit");
  if (!child.stdout) throw new TypeError("standard output is piped");
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    ended.then(() => {
      throw new Error(`it did not start: ${readFileSync(log, "utf8")}`);
    }),
  ]);
  return {
    ...(JSON.parse(line) as Listening),
    process: child,
    ended,
    async figures() {
      const answered = once(child, "message");
      child.send("figures");
      const [said] = (await answered) as [Figures];
      return said;
    },
  };
}
