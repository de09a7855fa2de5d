import { expect } from "vitest";
import type { Slug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import type { TestDatabase } from "./databases.ts";
import {
  type TestIssuing,
  enrolRecord,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
} from "./issuing.ts";
import { observed } from "./signing-log.ts";

export const CLIENTS = 40;
export const unavailable = "The service cannot do this right now. Nothing was changed; try again later.";

export interface Client {
  readonly token: string;
  readonly csr: Buffer;
}

/** A CA that issues by way of `own`, what it signed, and a way to the records that no outage touches. */
export interface Scene {
  readonly parts: TestIssuing;
  readonly signed: readonly string[];
  readonly records: TestDatabase;
  readonly account: Slug;
  clients(count?: number): Promise<Client[]>;
}

export async function sceneOn(records: TestDatabase, own: Database): Promise<Scene> {
  const sure = await makeIssuing(records.database);
  const account = await freshAccount(sure);
  const signed: string[] = [];
  const issuer = observed(sure.issuer, (serial) => signed.push(serial));
  const issuers = { ...sure.issuers, signing: () => issuer };
  return {
    parts: { ...sure, ...onDatabase(own, sure.clock), issuers },
    signed,
    records,
    account: account.slug,
    clients: async (count = CLIENTS) => {
      const made: Client[] = [];
      for (let i = 0; i < count; i++) {
        made.push({ token: (await freshToken(sure, account)).token, csr: await makeCsr() });
      }
      return made;
    },
  };
}

export interface Outcome {
  readonly client: Client;
  readonly record: CertificateRecord | undefined;
}

/** Nearly all at once, so that they share some groups; whoever gets nothing is told UNAVAILABLE, and no more. */
export async function enrolAll(parts: TestIssuing, clients: readonly Client[]): Promise<Outcome[]> {
  const outcomes = await Promise.allSettled(
    clients.map(async (client, index) => {
      for (let turn = 0; turn < index % 8; turn++) await new Promise((resolve) => setImmediate(resolve));
      return enrolRecord(parts, client);
    }),
  );
  return clients.map((client, index) => {
    const outcome = outcomes[index];
    if (outcome?.status === "fulfilled") return { client, record: outcome.value };
    expect(outcome?.reason).toMatchObject({ code: "UNAVAILABLE", status: 503, message: unavailable });
    return { client, record: undefined };
  });
}

export const issuedIn = (outcomes: readonly Outcome[]): CertificateRecord[] =>
  outcomes.flatMap(({ record }) => record ?? []);

/** Whatever was signed was intended, and whatever was given out is on record as it was given out. */
export async function expectHonest(
  { signed, records }: Scene,
  issued: readonly CertificateRecord[],
): Promise<void> {
  const intents = (await records.query("SELECT serial FROM intents")).map(({ serial }) => String(serial));
  expect(signed.filter((serial) => !intents.includes(serial))).toEqual([]);
  expect(new Set(signed).size).toBe(signed.length);
  const found = await records.database.certificates.byFingerprints(
    issued.map(({ fingerprint }) => fingerprint),
  );
  const sorted = (list: readonly CertificateRecord[]) =>
    list.toSorted((one, other) => (one.fingerprint < other.fingerprint ? -1 : 1));
  expect(sorted(found)).toEqual(sorted(issued));
}

/** The same requests go through, what was given out is given again, and each token has one certificate. */
export async function expectRecovered(scene: Scene, outcomes: readonly Outcome[]): Promise<void> {
  const again = await enrolAll(
    scene.parts,
    outcomes.map(({ client }) => client),
  );
  const issued = issuedIn(again);
  expect(issued).toHaveLength(outcomes.length);
  for (const [index, { record }] of outcomes.entries()) {
    if (record) expect(again[index]?.record).toEqual(record);
  }
  await expectHonest(scene, issued);
  expect(await scene.records.database.certificates.list({ account: scene.account })).toHaveLength(
    outcomes.length,
  );
}
