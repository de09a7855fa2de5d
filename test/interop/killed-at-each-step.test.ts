import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Step } from "../../src/services/issue/parts.ts";
import { freshHome } from "../support/fresh-home.ts";
import { type TestAnswer, call, freshRequest } from "../support/client.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { projectRoot } from "../support/run.ts";
import { serveHome } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";
import { spawnServer } from "../support/spawned-server.ts";
import { allSteps } from "../support/steps.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

/** Enrolled before the server dies, enrolling then, and not before it is there again. */
const [EARLY, CROWD, LATE] = [5, 24, 3];
/** The fifteenth time that a step is reached lies in the crowd, of whose tokens every second has a rival. */
const FATAL = 15;

let workspace: Workspace;
let home: string;
let ca: Buffer;
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await freshHome(home);
  ca = readFileSync(join(home, "certs", "root.crt"));
});
afterAll(() => workspace.remove());

interface Request {
  readonly token: string;
  readonly csr: string;
}

/** All at once, or as many at once as there may be connections; `undefined` for whoever gets no answer. */
async function enrolAll(
  server: { readonly ca: string; readonly connections?: number },
  requests: readonly Request[],
  onAnswer: () => void = () => undefined,
): Promise<(TestAnswer | undefined)[]> {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: server.connections ?? Infinity });
  const ask = async ({ token, csr }: Request): Promise<TestAnswer> => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    const body = JSON.stringify({ csr });
    const answer = await call(`${server.ca}/v1/certificates`, { method: "POST", headers, body, agent });
    onAnswer();
    return answer;
  };
  const outcomes = await Promise.allSettled(requests.map(ask));
  agent.destroy();
  return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : undefined));
}

/** The server that is to die, and what it is told about answers that came. */
async function startDoomed(step: Step | "after the answer") {
  if (step === "after the answer") {
    const server = await serveHome(workspace);
    let answers = 0;
    const onAnswer = (): void => {
      if (++answers === FATAL) server.process.kill("SIGKILL");
    };
    const ended = new Promise((resolve) => server.process.once("exit", resolve));
    // One commit may answer whoever asks at once: few enough, for some to be still without an answer then.
    return { ca: server.ca, connections: 8, onAnswer, ended };
  }
  const program = join(projectRoot, "test/support/killed-server.ts");
  const server = await spawnServer(process.execPath, [program, home, step, String(FATAL)]);
  return { ca: server.ca, onAnswer: () => undefined, ended: server.ended };
}

const pemBytes = (pem: unknown): Buffer => Buffer.from(String(pem).replace(/-----[^-]+-----/g, ""), "base64");
const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");

/** What is on record of an account, and the row of each of its tokens; nothing else that the home holds. */
function onRecord(account: string) {
  const state = snapshot(home);
  const id = state["accounts"]?.find(({ slug }) => slug === account)?.["id"];
  const rows = (table: string) => (state[table] ?? []).filter(({ account_id }) => account_id === id);
  const places = (table: string) =>
    rows(table).map(({ issuer_id, serial }) => `${String(issuer_id)}/${String(serial)}`);
  return {
    certificates: new Map(rows("certificates").map(({ fingerprint, der }) => [fingerprint, der])),
    certified: places("certificates"),
    intended: places("intents"),
    tokens: new Map(rows("tokens").map((row) => [row["hash"], row])),
  };
}

type OnRecord = ReturnType<typeof onRecord>;

/** Every certificate that somebody has, and every one on record, is what it should be. */
function expectSound(
  { certificates, certified, intended, tokens }: OnRecord,
  answers: readonly (TestAnswer | undefined)[],
): void {
  for (const answer of answers) {
    if (answer?.status !== 201) continue;
    const der = pemBytes(answer.json["certificate"]);
    expect(certificates.get(answer.json["fingerprint"])).toBe(der.toString("hex"));
  }
  for (const [fingerprint, der] of certificates)
    expect(sha256(Buffer.from(String(der), "hex"))).toBe(fingerprint);
  expect(certified.filter((place) => !intended.includes(place))).toEqual([]);
  expect(new Set(intended).size).toBe(intended.length);
  const fulfilled = [...tokens.values()].flatMap(({ fingerprint }) => fingerprint ?? []);
  expect(new Set(fulfilled).size).toBe(fulfilled.length);
  expect(new Set(fulfilled)).toEqual(new Set(certificates.keys()));
}

test.each<Step | "after the answer">([...allSteps, "after the answer"])(
  "kill -9 during enrolments, at '%s': nothing is lost, and every token does what it should",
  async (step) => {
    const account = `crowd-${step.replaceAll(" ", "-")}`;
    const tokens = await makeTokens(home, account, EARLY + CROWD + LATE);
    const requests = await Promise.all(
      tokens.map(async (token) => ({ token, csr: (await freshRequest()).csr })),
    );
    const crowd = requests.slice(0, EARLY + CROWD);
    const rivals = await Promise.all(
      crowd
        .filter((_, index) => index >= EARLY && index % 2 === 0)
        .map(async ({ token }) => ({ token, csr: (await freshRequest()).csr })),
    );

    const doomed = await startDoomed(step);
    const early = await enrolAll(doomed, requests.slice(0, EARLY), doomed.onAnswer);
    expect(early.map((answer) => answer?.status)).toEqual(early.map(() => 201));
    const both = [...crowd.slice(EARLY), ...rivals];
    const received = [...early, ...(await enrolAll(doomed, both, doomed.onAnswer))];
    await doomed.ended;
    expect(received.filter((answer) => answer === undefined)).not.toEqual([]);

    const server = await serveHome(workspace);
    try {
      const found = onRecord(account);
      expectSound(found, received);
      // Whoever was there before asks again; a token that was bound to one of two CSRs is bound to it still.
      const again = await enrolAll(server, [...crowd, ...rivals]);
      const untouched = await enrolAll(server, requests.slice(-LATE));
      const now = onRecord(account);
      expectSound(now, [...again, ...untouched]);
      expect(now.certificates.size).toBe(tokens.length);
      expect(untouched.map((answer) => answer?.status)).toEqual(untouched.map(() => 201));
      for (const [index, { token, csr }] of [...crowd, ...rivals].entries()) {
        const [before, after] = [found, now].map((state) => state.tokens.get(sha256(token)));
        const answer = again[index];
        if (before?.["csr_hash"] !== null) expect(after?.["csr_hash"]).toBe(before?.["csr_hash"]);
        if (before?.["fingerprint"] !== null) expect(after?.["fingerprint"]).toBe(before?.["fingerprint"]);
        if (received[index]?.status === 201) expect(answer?.json).toEqual(received[index].json);
        if (after?.["csr_hash"] === sha256(pemBytes(csr))) {
          expect(answer?.json).toMatchObject({ fingerprint: after["fingerprint"] });
        } else {
          expect(answer?.json).toMatchObject({ code: "TOKEN_USED", status: 403 });
        }
      }
    } finally {
      await server.stop();
    }
  },
);
