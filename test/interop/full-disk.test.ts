import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshHome } from "../support/fresh-home.ts";
import { type TestAnswer, call, freshRequest } from "../support/client.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { projectRoot } from "../support/run.ts";
import { snapshot } from "../support/snapshot.ts";
import { type SpawnedServer, spawnServer } from "../support/spawned-server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

const CLIENTS = 150;
/** 768 KiB in blocks of 512 octets: for every file that the server writes, so for the write-ahead log. */
const LARGEST_FILE = "1536";

interface Client {
  readonly token: string;
  readonly csr: string;
}

let workspace: Workspace;
let home: string;
let server: SpawnedServer;
let agent: Agent;
let clients: Client[];
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await freshHome(home);
  const tokens = await makeTokens(home, "crowd", CLIENTS);
  clients = await Promise.all(tokens.map(async (token) => ({ token, csr: (await freshRequest()).csr })));
  const listen = ["ca", "enforce", "public", "metrics"].flatMap((name) => [
    `--${name}-listen`,
    "127.0.0.1:0",
  ]);
  const serve = [join(projectRoot, "src/cli/main.ts"), "serve", "--json", "--home", home, ...listen];
  // Node ignores SIGXFSZ: a write beyond the limit fails, as on a disk that is full.
  const limited = ["-c", 'ulimit -f "$0" && exec "$@"', LARGEST_FILE, process.execPath, ...serve];
  server = await spawnServer("sh", limited);
  agent = new Agent({ keepAlive: true, maxSockets: 10, ca: readFileSync(join(home, "certs", "root.crt")) });
});
afterAll(async () => {
  agent.destroy();
  server.process.kill("SIGKILL");
  await server.ended;
  await workspace.remove();
});

function enrol({ token, csr }: Client): Promise<TestAnswer> {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  return call(`${server.ca}/v1/certificates`, {
    method: "POST",
    headers,
    body: JSON.stringify({ csr }),
    agent,
  });
}

/** Ten at a time. */
async function enrolAll(all: readonly Client[]): Promise<TestAnswer[]> {
  const answers: TestAnswer[] = [];
  while (answers.length < all.length) {
    answers.push(...(await Promise.all(all.slice(answers.length, answers.length + 10).map(enrol))));
  }
  return answers;
}

/** What another process finds on record. */
function onRecord() {
  const state = snapshot(home);
  const rows = (table: string) => (state[table] ?? []).filter(({ account_id }) => account_id !== null);
  return {
    certificates: new Map(rows("certificates").map(({ fingerprint, der }) => [fingerprint, der])),
    serials: rows("certificates").map(({ serial }) => serial),
    intents: rows("intents").map(({ serial }) => serial),
    fulfilled: rows("tokens").flatMap(({ fingerprint }) => fingerprint ?? []),
  };
}

/** Everything that was given out is on record, byte for byte, and was intended. */
function expectOnRecord(answers: readonly TestAnswer[]): void {
  const { certificates, serials, intents, fulfilled } = onRecord();
  for (const { json } of answers) {
    const der = Buffer.from(String(json["certificate"]).replace(/-----[^-]+-----/g, ""), "base64");
    expect(certificates.get(json["fingerprint"])).toBe(der.toString("hex"));
  }
  expect(serials.filter((serial) => !intents.includes(serial))).toEqual([]);
  expect(fulfilled.sort()).toEqual([...certificates.keys()].sort());
}

test("with its disk full, a server refuses enrolments and loses none, and once there is room the same ones go through", async () => {
  const first = await enrolAll(clients);
  const issued = first.filter(({ status }) => status === 201);
  const refused = first.filter(({ status }) => status !== 201);
  expect(issued).not.toEqual([]);
  expect(refused).not.toEqual([]);
  for (const { status, headers, json } of refused) {
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      "retry-after": "5",
      "content-type": expect.stringMatching(/^application\/problem\+json/) as string,
    });
    expect(json).toMatchObject({
      code: "UNAVAILABLE",
      status: 503,
      detail: "The service cannot do this right now. Nothing was changed; try again later.",
    });
  }
  expect(server.log()).toMatch(/"detail":"[^"]*SQLITE_(IOERR|FULL)/);
  expectOnRecord(issued);

  // What needs no room goes on, an answer that was given before among it.
  expect((await call(`${server.ca}/health`, { agent })).status).toBe(200);
  const winner = clients[first.findIndex(({ status }) => status === 201)];
  expect(winner && (await enrol(winner)).json).toEqual(issued[0]?.json);

  // With room again, it goes on by itself. One step from the limit it may be refused again: so whoever is asks again.
  let answers: TestAnswer[];
  do {
    makeRoom();
    answers = await enrolAll(clients);
    expectOnRecord(answers.filter(({ status }) => status === 201));
  } while (answers.some(({ status }) => status === 503));
  expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
  expect(onRecord().certificates.size).toBe(CLIENTS);
  for (const [index, { json }] of first.entries()) {
    if (json["certificate"] !== undefined) expect(answers[index]?.json).toEqual(json);
  }
  expect(server.process.exitCode).toBe(null);
  expect(server.log()).not.toContain('"failed"');
});

/** Moves the write-ahead log into the database, as another process can: that is what has grown up to the limit. */
function makeRoom(): void {
  const database = new DatabaseSync(join(home, "countersign.sqlite"), { timeout: 10_000 });
  try {
    expect(database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()).toMatchObject({ busy: 0 });
  } finally {
    database.close();
  }
}
