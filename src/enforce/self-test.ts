import { X509Certificate } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Server } from "node:https";
import { duplexPair } from "node:stream";
import { connect } from "node:tls";
import { noLimits } from "../domain/call-limits.ts";
import { parseSlug } from "../domain/names.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import { steadyClock } from "../domain/steady-clock.ts";
import type { Account, Change, CredentialRecord } from "../domain/records.ts";
import { defaultLimits } from "../domain/limits.ts";
import { SECOND } from "../domain/time.ts";
import type { TrialCredential, Trials } from "../domain/trial.ts";
import { Authenticator } from "./authenticator.ts";
import { Gateway } from "./gateway/gateway.ts";
import { createEnforceListener } from "./listener.ts";
import { ownRoutes } from "./own-routes.ts";

/** How long the tried listener may take to take up a revocation. */
const PATIENCE = 5 * SECOND;

/**
 * Tries a listener like the real one with throw-away credentials, through real handshakes that never leave this process:
 * who must be let in is, and who must not is told why.
 *
 * @returns what is wrong, sentence by sentence.
 */
export async function listenerFaults(trials: Trials, clock: Clock): Promise<string[]> {
  const records = [trials.good, trials.suspended, trials.expired].map(({ record }) => record);
  const state = new TrialState(trials.ca, records);
  const authenticator = await Authenticator.start({
    ...{ database: state.database, clock, validityClock: steadyClock(clock, () => 0), logger: silent },
    identity: { id: "self-test", pid: process.pid, host: "self-test" },
  });
  const server = createEnforceListener({
    ...{
      authenticator,
      certificate: trials.server,
      logger: silent,
      handler: ownRoutes(
        new Gateway({ authenticator, logger: silent, limits: defaultLimits, stopwatch: () => 0 }, NO_ROUTES)
          .handle,
      ),
    },
  });
  const faults: string[] = [];
  const expected: readonly (readonly [string, TrialCredential | undefined, string])[] = [
    ["without a certificate", undefined, "CERT_REQUIRED"],
    ["of another CA", trials.foreign, "CERT_UNTRUSTED"],
    ["that is not on record", trials.unknown, "CERT_UNKNOWN"],
    ["that has expired", trials.expired, "CERT_EXPIRED"],
    ["that is suspended", trials.suspended, "CERT_SUSPENDED"],
  ];
  try {
    for (const [name, trial, code] of expected) {
      const said = await withCaller(server, trials, trial, ask);
      if (said !== code) faults.push(`a caller ${name} was answered ${said}, not ${code}`);
    }
    const revoked = await withCaller(server, trials, trials.good, (agent) =>
      revocationFaults(state, trials, clock, agent),
    );
    faults.push(...revoked);
  } finally {
    server.close();
    await authenticator.close();
  }
  return faults;
}

/** Calls on one connection, which is open before and after the revocation. */
async function revocationFaults(
  state: TrialState,
  { good }: Trials,
  clock: Clock,
  agent: Agent,
): Promise<string[]> {
  const before = await ask(agent);
  if (before !== "ALLOWED") return [`a caller in good standing was answered ${before}`];
  state.revoke(good.record);
  const end = clock.now() + PATIENCE;
  let said = before;
  while (said === "ALLOWED" && clock.now() < end) said = await ask(agent);
  return said === "CERT_REVOKED" ? [] : [`a revoked caller was answered ${said} on its open connection`];
}

/** A caller whose one connection goes by way of memory. */
async function withCaller<Result>(
  server: Server,
  { ca }: Trials,
  trial: TrialCredential | undefined,
  use: (agent: Agent) => Promise<Result>,
): Promise<Result> {
  const [here, there] = duplexPair();
  server.emit("connection", there);
  const options = { socket: here, servername: "localhost", ca: new X509Certificate(ca).toString() };
  const socket = connect(trial ? { ...options, cert: trial.cert, key: trial.key } : options);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  try {
    return await use(agent);
  } finally {
    agent.destroy();
    socket.destroy();
    there.destroy();
  }
}

/** Asks who is calling; returns ALLOWED, or the code of the denial, or what failed. */
function ask(agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const options = { agent, path: "/whoami", headers: { Host: "localhost" }, timeout: PATIENCE };
    const asking = request(options, (response) => {
      read(response).then(resolve, (error: unknown) => {
        resolve(String(error));
      });
    });
    asking.on("timeout", () => {
      asking.destroy(new Error("no answer"));
    });
    asking.on("error", (error) => {
      resolve(String(error));
    });
    asking.end();
  });
}

async function read(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
  const { code = "ALLOWED" } = JSON.parse(text) as { code?: string };
  return code;
}

const NO_ROUTES = { routes: [], upstreams: [] };
const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What the authenticator asks a database for, with the trials on record. */
class TrialState {
  readonly #ca: Uint8Array;
  #records: readonly CredentialRecord[];
  readonly #changes: Change[] = [];

  constructor(ca: Uint8Array, records: readonly CredentialRecord[]) {
    this.#ca = ca;
    this.#records = records;
  }

  revoke({ fingerprint }: CredentialRecord): void {
    this.#records = this.#records.map((record) =>
      record.fingerprint === fingerprint ? { ...record, status: "revoked" } : record,
    );
    const action = "certificate.revoke";
    this.#changes.push({
      sequence: 1,
      time: 0,
      actor: "self-test",
      action,
      subject: fingerprint,
      detail: {},
    });
  }

  get database(): Database {
    const account: Account = {
      ...{ ...noLimits, id: 1, slug: parseSlug("self-test"), status: "active", scopes: [], dnsNames: [] },
      ...{ serverIps: [], createdAt: 0, suspendedAt: undefined },
    };
    const done = () => Promise.resolve(true);
    const stores = {
      accounts: { list: () => Promise.resolve([account]), byId: () => Promise.resolve(account) },
      certificates: {
        live: () => [this.#records].values(),
        credentials: (some: readonly string[]) =>
          Promise.resolve(this.#records.filter(({ fingerprint }) => some.includes(fingerprint))),
      },
      issuers: { list: () => Promise.resolve([{ der: this.#ca }]) },
      changes: {
        newest: () => Promise.resolve(this.#changes.at(-1)),
        after: (sequence: number) =>
          Promise.resolve(this.#changes.filter((change) => change.sequence > sequence)),
      },
      followers: { announce: done, applied: done, closing: done, leave: done },
    };
    const onCommit = () => () => undefined;
    return { ...stores, onCommit } as unknown as Database;
  }
}
