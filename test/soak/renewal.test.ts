import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { type ClientCredentials, type EnrollOptions, enroll } from "../../src/client/index.ts";
import { cloneAlarms } from "../support/client-files.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { type RenewingCaller, renewingCallers, ways } from "../support/renewing-callers.ts";
import { rootFingerprint } from "../support/renewing-client.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

/** `npm run soak` says for how long, two minutes at least; `npm test` plays it shortly, so that it does not rot. */
const SECONDS = Number(process.env["COUNTERSIGN_SOAK_SECONDS"] ?? 0);
const { life, agents, seconds, renewals, pause } =
  SECONDS >= 30
    ? { life: "20s", agents: 10, seconds: Math.max(SECONDS, 120), renewals: 5, pause: 0 }
    : { life: "6s", agents: 4, seconds: 0, renewals: 2, pause: 25 };
/** Of each agent at once: one is always under way. */
const LOOPS = 2;

interface Agent {
  readonly name: string;
  readonly caller: RenewingCaller;
  /** Each that it has had, in order. */
  readonly fingerprints: string[];
  calls: number;
}

test(
  `${String(agents)} agents that call on and on renew at least ${String(renewals)} times each, and not one request fails`,
  { timeout: (seconds + 120) * 1000 },
  async () => {
    const workspace = await testWorkspace();
    const server = await serveWithLife(workspace, life);
    const atRest = descriptors();
    const complaints: string[] = [];
    const all: Agent[] = [];
    while (all.length < agents) all.push(await startAgent(server, workspace, all.length, complaints));
    const stopping = new AbortController();
    const calling = all.flatMap((agent) =>
      Array.from({ length: LOOPS }, () => callOnAndOn(agent, server.enforce, stopping.signal, complaints)),
    );
    const mostOpen = agents * LOOPS * 2; // a former identity's beside those of the current one
    const begun = performance.now();
    while (performance.now() < begun + seconds * 1000 || !all.every(hasRenewed)) {
      await sleep(100);
      expect(complaints).toEqual([]);
      expect(descriptors()).toBeLessThan(atRest + mostOpen + 20);
    }
    stopping.abort();
    await Promise.all(calling);
    await Promise.all(all.map(({ caller }) => caller.end()));

    expect(complaints).toEqual([]);
    await eventually(() => {
      expect(descriptors()).toBeLessThanOrEqual(atRest + 2);
    });
    expect(cloneAlarms(server.home)).toBe(0);
    if (seconds > 0) {
      const figures = all.map(({ name, calls, fingerprints }) => [name, calls, fingerprints.length - 1]);
      console.log(JSON.stringify({ renewal: figures }));
    }
    expect(await server.stop()).toBe(0);
  },
);

const descriptors = (): number => readdirSync("/proc/self/fd").length;

const hasRenewed = ({ fingerprints }: Agent): boolean => fingerprints.length > renewals;

async function serveWithLife(workspace: Workspace, shortLife: string): Promise<TestServer> {
  const home = workspace.file("home");
  await freshHome(home);
  const path = join(home, "profiles", "client.json");
  const profile = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...profile, life: { default: shortLife } }));
  const server = await serveHome(workspace);
  onTestFinished(() => server.kill());
  return server;
}

/** In each of the ways to call, half of them in memory and half of them in files. */
async function startAgent(
  server: TestServer,
  workspace: Workspace,
  number: number,
  complaints: string[],
): Promise<Agent> {
  const way = ways[number % ways.length] ?? "createAgent, https.request";
  const isInFiles = number % 2 === 1;
  const name = `${way}, in ${isInFiles ? "files" : "memory"}`;
  const account = `agent-${String(number)}`;
  const file = (kind: string): string => workspace.file(`${account}.${kind}`);
  const files = { key: file("key"), cert: file("crt"), ca: file("ca.crt") };
  const wanted: EnrollOptions = {
    ...{ caUrl: server.ca, fingerprint: rootFingerprint(server), token: await server.token(account) },
    ...(isInFiles ? { files } : {}),
  };
  const credentials = await enroll(wanted);
  const fingerprints: string[] = [credentials.fingerprint];
  const caller = renewingCallers[way]({
    credentials,
    onRenewed: ({ fingerprint }: ClientCredentials) => fingerprints.push(fingerprint),
    onError: ({ code, message }) => complaints.push(`${name}: ${code}: ${message}`),
  });
  return { name, caller, fingerprints, calls: 0 };
}

async function callOnAndOn(
  agent: Agent,
  url: string,
  stopping: AbortSignal,
  complaints: string[],
): Promise<void> {
  while (!stopping.aborted) {
    const earliest = agent.fingerprints.length - 1;
    const answer = await agent.caller.get(`${url}/whoami`).catch((error: unknown) => String(error));
    // One that was begun with a certificate may end with it; none begins with one that has a successor.
    const right = agent.fingerprints.slice(earliest);
    if (!right.some((fingerprint) => answer.includes(`"fingerprint":"${fingerprint}"`)))
      complaints.push(`${agent.name}: ${answer}`);
    agent.calls += 1;
    if (pause > 0) await sleep(pause);
  }
}
