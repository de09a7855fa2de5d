// Revokes, and calls until it is refused: in a process of its own, beside the load.
import { setTimeout as sleep } from "node:timers/promises";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import type { Database } from "../../src/domain/ports.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { openState, systemClock } from "../../src/home/open.ts";
import { revoke } from "../../src/services/revocation.ts";
import { type Connection, openConnection } from "../issue/connection.ts";
import { answerParent } from "../worker.ts";
import { HOST } from "./terms.ts";
import type { Client } from "./scene.ts";

export interface RevokerJob {
  readonly home: string;
  /** The root's certificate, PEM. */
  readonly root: string;
  /** URLs of the listeners. */
  readonly enforce: string;
  readonly ca: string;
}

/** By the server itself, which a credential asks to revoke it; or through the database, as `countersign revoke` does. */
export type By = "same process" | "another process";

/** Milliseconds from the beginning of the revocation. */
export interface Revoked {
  /** To its commit; within the server, to the answer. */
  readonly committed: number;
  /** To the first refused call on a connection that was open before. */
  readonly refused: number;
}

const methods = { prepare, warmUp, revokeAll, close };
export type RevokerMethods = typeof methods;
answerParent(methods);

let job: RevokerJob;
let database: Database;

async function prepare(wanted: RevokerJob): Promise<void> {
  job = wanted;
  database = await openState(resolveConfig(job.home, {}, {}, readConfigFile(job.home)));
}

/** The first revocation since a server's start has it read the whole list: waits until that is on a CRL. */
async function warmUp(victim: Client | undefined): Promise<void> {
  if (!victim) return;
  await fromOutside(victim);
  const wanted = await database.changes.lastOfStatus();
  const issuers = await database.issuers.list();
  const isListed = async (): Promise<boolean> => {
    const heads = await Promise.all(issuers.map(({ id }) => database.crls.head(id)));
    return heads.some((head) => head !== undefined && head.basis >= wanted);
  };
  while (!(await isListed())) await sleep(100);
}

/** One after the other. */
async function revokeAll({ by, victims }: { by: By; victims: readonly Client[] }): Promise<Revoked[]> {
  const all: Revoked[] = [];
  for (const victim of victims) all.push(await (by === "same process" ? fromWithin : fromOutside)(victim));
  return all;
}

async function close(): Promise<void> {
  await database.close();
}

async function fromOutside(victim: Client): Promise<Revoked> {
  const mutation = { clock: systemClock, actor: "bench" };
  const which = { fingerprint: parseFingerprint(victim.fingerprint) };
  return untilRefused(victim, () => revoke(database, mutation, which, "keyCompromise"));
}

async function fromWithin(victim: Client): Promise<Revoked> {
  const asking = await openConnection(new URL(job.ca), job.root, victim);
  const body = '{"reason":"keyCompromise"}';
  const head = [
    `POST /v1/certificates/${victim.fingerprint}/revoke HTTP/1.1`,
    `Host: ${HOST}`,
    "Content-Type: application/json",
    `Content-Length: ${String(body.length)}`,
  ];
  const request = Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
  try {
    return await untilRefused(victim, async () => {
      const { status } = await asking.exchange(request);
      if (status !== 200) throw new Error(`a revocation got ${String(status)}`);
    });
  } finally {
    asking.close();
  }
}

const whoami = Buffer.from(`GET /whoami HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);

async function untilRefused(victim: Client, revokeIt: () => Promise<unknown>): Promise<Revoked> {
  const connection: Connection = await openConnection(new URL(job.enforce), job.root, victim);
  try {
    const { status } = await connection.exchange(whoami);
    if (status !== 200) throw new Error(`a fresh credential got ${String(status)}`);
    const begun = performance.now();
    const committing = revokeIt().then(() => performance.now() - begun);
    committing.catch(() => undefined); // it is waited for below
    for (;;) {
      const answer = await connection.exchange(whoami);
      if (answer.status === 200) continue;
      const refused = performance.now() - begun;
      if (answer.status !== 403) throw new Error(`a revoked credential got ${String(answer.status)}`);
      return { committed: await committing, refused };
    }
  } finally {
    connection.close();
  }
}
