import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import {
  type IssuerId,
  fingerprintOf,
  parseFingerprint,
  parseIssuerId,
  sha256Hex,
} from "../../src/domain/identifiers.ts";
import { noLimits } from "../../src/domain/call-limits.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { IssuanceWrites } from "../../src/domain/issuance.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { Account, CertificateRecord, Change, TokenRecord } from "../../src/domain/records.ts";
import { readStanding, write } from "../../src/storage/issuance.ts";
import { TestDatabase, onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIssuer, someAccount, someIntent, someToken } from "./records.ts";

const nothing: IssuanceWrites = {
  at: START,
  taken: [],
  firstSeen: [],
  intents: [],
  fulfilled: [],
  certificates: [],
  renewing: [],
  renewed: [],
  changes: [],
};

const change = (subject: string): Omit<Change, "sequence"> => ({
  time: START,
  actor: "token:x'y\"z",
  action: "certificate.intend",
  subject,
  detail: { account: "ü, '\"\\ \u2028" },
});

function certificateFor(issuerId: IssuerId, account: Account | undefined): CertificateRecord {
  const { createdAt, ...common } = someIntent(issuerId, account);
  const der = randomBytes(700);
  return {
    ...common,
    keyType: "ml-dsa-65",
    account: account?.slug,
    fingerprint: fingerprintOf(der),
    scopes: account && [parseScope("orders:read")],
    issuedAt: createdAt,
    limits: account && { ...noLimits, maxConnections: 3 },
    status: "active",
    statusAt: undefined,
    reason: undefined,
    invalidityAt: undefined,
    statusBy: undefined,
    note: undefined,
    der,
  };
}

/** What one group writes: intents and records, of an account and of a listener, with tokens and without. */
function someWrites(issuerId: IssuerId, account: Account, tokens: readonly TokenRecord[]): IssuanceWrites {
  const certificates = [certificateFor(issuerId, account), certificateFor(issuerId, undefined)];
  const further = someIntent(issuerId, account);
  const predecessors = ["one", "other"].map((name) => fingerprintOf(Buffer.from(`${account.slug} ${name}`)));
  const intents = [...certificates.map((certificate) => ({ ...certificate, createdAt: START })), further];
  return {
    at: START + 5,
    taken: tokens.map(({ id }) => ({ id, csrHash: sha256Hex(id) })),
    firstSeen: intents.map(({ spkiHash, accountId }) => {
      return { spkiHash, keyType: "ml-dsa-65" as const, accountId, seenAt: START };
    }),
    intents,
    fulfilled: tokens.slice(0, 1).map(({ id }) => ({ id, fingerprint: fingerprintOf(Buffer.from(id)) })),
    certificates,
    renewing: predecessors.map((predecessor) => {
      return { predecessor, csrHash: sha256Hex(predecessor), line: predecessor };
    }),
    renewed: certificates.slice(0, 1).flatMap(({ fingerprint: successor, notAfter: endsAt }) =>
      predecessors.slice(0, 1).map((predecessor) => {
        return { predecessor, successor, renewedAt: START + 6, retireAt: START + 7, endsAt };
      }),
    ),
    changes: ["a", "b", "c"].map(change),
  };
}

async function setting(database: Database) {
  const issuerId = await putIssuer(database);
  const account = await database.accounts.insert(someAccount());
  const tokens = await Promise.all(
    [1, 2, 3].map(async () => {
      const token = someToken(account);
      await database.tokens.insert(token);
      return { ...token, account: account.slug };
    }),
  );
  return { issuerId, account, tokens };
}

onEachDatabase("the transaction of issuing", (db) => {
  test("tells how tokens, accounts and keys stand, and nothing of what is not there", async () => {
    const { issuerId, account, tokens } = await setting(db.database);
    const known = await putCertificate(db.database, issuerId, account);
    await db.database.keys.block(known, START + 7, "found on a web page");
    const [token] = tokens;
    if (!token) throw new Error("there are tokens");
    await db.database.tokens.revoke(token.id, START + 8);
    const question = {
      tokens: [token.id, "unknown"],
      accounts: [account.id, 999_999],
      keys: [known.spkiHash, someIntent(issuerId, account).spkiHash],
      issuers: [issuerId, parseIssuerId("0".repeat(40))],
      predecessors: [known.fingerprint, fingerprintOf(randomBytes(8))],
    };
    const renewal = { predecessor: known.fingerprint, csrHash: sha256Hex("csr"), line: known.fingerprint };
    await db.database.renewals.bind([renewal]);
    const limits = { ...noLimits, maxConnections: 2 };
    await db.database.certificates.setRights(known.fingerprint, { scopes: [parseScope("a:b")], limits });
    const standing = await db.database.issue(question, (outcome) => ({ outcome, writes: nothing }));
    expect(standing.tokens).toMatchObject([
      {
        id: token.id,
        csrHash: undefined,
        fingerprint: undefined,
        expiresAt: token.expiresAt,
        revokedAt: START + 8,
      },
    ]);
    expect(standing.accounts).toMatchObject([{ id: account.id, status: "active" }]);
    expect(standing.issuers).toMatchObject([{ id: issuerId, status: "active" }]);
    expect(standing.keys).toMatchObject([
      { spkiHash: known.spkiHash, accountId: account.id, blockedAt: START + 7 },
    ]);
    expect(standing.predecessors).toMatchObject([
      { fingerprint: known.fingerprint, status: "active", scopes: ["a:b"], limits },
    ]);
    expect(standing.renewals).toMatchObject([
      { predecessor: known.fingerprint, csrHash: renewal.csrHash, successor: undefined },
    ]);
  });

  test("asked about nothing, tells nothing, and writes nothing", async () => {
    const before = await db.dump();
    const question = { tokens: [], accounts: [], keys: [], issuers: [], predecessors: [] };
    const standing = await db.database.issue(question, (outcome) => ({ outcome, writes: nothing }));
    expect(standing).toEqual({ ...question, renewals: [] });
    expect(await db.dump()).toEqual(before);
  });

  test("writes everything, or nothing", async () => {
    const { issuerId, account, tokens } = await setting(db.database);
    const writes = someWrites(issuerId, account, tokens);
    const put = (wanted: IssuanceWrites) =>
      db.database.issue({ tokens: [], accounts: [], keys: [], issuers: [], predecessors: [] }, () => ({
        outcome: "done",
        writes: wanted,
      }));
    const before = await db.dump();
    const again = { ...writes, certificates: [...writes.certificates, ...writes.certificates.slice(0, 1)] };
    await expect(put(again)).rejects.toThrow(/unique/i);
    const keyless = { ...writes, firstSeen: writes.firstSeen.slice(1) };
    await expect(put(keyless)).rejects.toThrow(/foreign key/i);
    expect(await db.dump()).toEqual(before);
    const sequence = await db.database.changes.last();
    expect(await put(writes)).toBe("done");
    const [first] = writes.certificates;
    if (!first) throw new Error("there are certificates");
    expect(await db.database.certificates.byFingerprint(first.fingerprint)).toEqual({
      ...first,
      account: account.slug,
      keyType: "ml-dsa-65",
    });
    expect(await db.database.changes.after(sequence, 10)).toEqual(
      writes.changes.map((each, index) => ({ ...each, sequence: sequence + 1 + index })),
    );
    expect((await db.database.tokens.byId(tokens[0]?.id ?? ""))?.fingerprint).toBeDefined();
    expect((await db.database.tokens.byId(tokens[2]?.id ?? ""))?.usedAt).toBe(START + 5);
  });

  test("renews nothing that was renewed before, was never bound, or comes twice", async () => {
    const { issuerId, account } = await setting(db.database);
    const { renewing, renewed } = someWrites(issuerId, account, []);
    const [successor, another] = ["successor", "another"].map((name) =>
      fingerprintOf(Buffer.from(`${account.slug} ${name}`)),
    );
    const [one, two] = renewed.flatMap((each) => [
      { ...each, successor: successor ?? each.successor },
      { ...each, successor: another ?? each.successor },
    ]);
    if (!one || !two) throw new Error("there is a renewal");
    const put = (wanted: Partial<IssuanceWrites>) =>
      db.database.issue({ tokens: [], accounts: [], keys: [], issuers: [], predecessors: [] }, () => ({
        outcome: undefined,
        writes: { ...nothing, ...wanted, changes: [change(account.slug)] },
      }));
    const wrong = "was renewed already, or never bound";
    await expect(put({ renewed: [one] })).rejects.toThrow(wrong);
    await expect(put({ renewing, renewed: [one, two] })).rejects.toThrow(wrong);
    await put({ renewing, renewed: [one] });
    const before = await db.dump();
    await expect(put({ renewed: [two] })).rejects.toThrow(wrong);
    expect(await db.dump()).toEqual(before);
  });

  test("decides on what others have committed, however many they are", async () => {
    const { account, tokens } = await setting(db.database);
    const [token] = tokens;
    if (!token) throw new Error("there are tokens");
    const nodes = [db.database, await db.open(), await db.open()] as const;
    const question = { tokens: [token.id], accounts: [], keys: [], issuers: [], predecessors: [] };
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        (nodes[index % nodes.length] ?? db.database).issue(question, ({ tokens: [found] }) => {
          if (found?.csrHash !== undefined) return { outcome: "used", writes: nothing };
          const taken = [{ id: token.id, csrHash: sha256Hex(String(index)) }];
          return { outcome: "taken", writes: { ...nothing, taken, changes: [change(account.slug)] } };
        }),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === "taken")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "used")).toHaveLength(29);
  });
});

test("on SQLite it writes, to the letter, what the stores would write", async () => {
  const [quick, plain] = [new TestDatabase("SQLite"), new TestDatabase("SQLite")];
  try {
    await quick.create();
    const database = await quick.open();
    const { issuerId, account, tokens } = await setting(database);
    const writes = someWrites(issuerId, account, tokens);
    await plain.create();
    const other = await plain.open();
    for (const issuer of await database.issuers.list()) await other.issuers.insert(issuer);
    await other.accounts.insert(account);
    for (const token of tokens) await other.tokens.insert(token);
    const contents = async (of: TestDatabase) => ({ ...(await of.dump()), knex_migrations: [] });
    expect(await contents(plain)).toEqual(await contents(quick));

    const question = {
      tokens: tokens.map(({ id }) => id),
      accounts: [account.id],
      keys: writes.firstSeen.map(({ spkiHash }) => spkiHash),
      issuers: [issuerId],
      predecessors: [],
    };
    const standing = await database.issue(question, (found) => ({ outcome: found, writes }));
    await other.transaction(async (stores) => {
      expect(await readStanding(stores, question)).toMatchObject(standing);
      await write(stores, writes);
    });
    expect(await contents(plain)).toEqual(await contents(quick));
    expect(parseFingerprint(writes.certificates[0]?.fingerprint ?? "")).toBeDefined();
  } finally {
    await quick.remove();
    await plain.remove();
  }
});
