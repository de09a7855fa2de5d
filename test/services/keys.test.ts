import { beforeAll, expect, test } from "vitest";
import { type Fingerprint, parseFingerprint, spkiHashOf } from "../../src/domain/identifiers.ts";
import type { KeyPair } from "../../src/domain/key-policy.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { CertificateRecord, KeyRecord } from "../../src/domain/records.ts";
import { DAY } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { blockKey } from "../../src/services/keys.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  type TestIssuing,
  csrOf,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";
import { putManyCertificates } from "../support/many-certificates.ts";

type KeyName = Pick<KeyRecord, "spkiHash" | "keyType">;

const hashOf = ({ publicKey }: KeyPair) => spkiHashOf(publicKey.export({ format: "der", type: "spki" }));

onEachDatabase("a blocked key", (db) => {
  let parts: TestIssuing;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });
  const block = (pair: KeyPair, because = "found on a web page") =>
    blockKey(db.database, parts, { spkiHash: hashOf(pair), keyType: pair.keyType }, because);
  const found = ({ fingerprint }: CertificateRecord) => db.database.certificates.byFingerprint(fingerprint);

  test("is signed for nobody, although it was never seen here", async () => {
    const pair = await makeKeyPair("ec-p256");
    const before = await db.database.changes.last();
    expect(await block(pair)).toEqual({ revoked: [], suspended: [], first: before + 1, last: before + 1 });
    expect(await db.database.changes.after(before, 10)).toMatchObject([
      { action: "key.block", subject: hashOf(pair), detail: { because: "found on a web page" } },
    ]);
    const account = await freshAccount(parts);
    const csr = await csrOf(pair);
    const wanted = { account: account.slug, csr, profile: "client" };
    await expectRefusal(signRecord(parts, "cli:tester", wanted), "KEY_BLOCKED");
    const { token } = await freshToken(parts, account);
    await expectRefusal(
      enrolRecord(parts, { token, csr }),
      "KEY_BLOCKED",
      "This key is blocked. Make a new one.",
    );
    expect((await db.database.keys.blocked()).map(({ spkiHash }) => spkiHash)).toContain(hashOf(pair));
  });

  test("ends what lives with it, the suspended too, and nothing else", async () => {
    const pair = await makeKeyPair("ed25519");
    const account = (await freshAccount(parts)).slug;
    const sign = async (key: KeyPair) =>
      signRecord(parts, "cli:tester", { account, csr: await csrOf(key), profile: "client" });
    const [live, held, gone, other] = [
      await sign(pair),
      await sign(pair),
      await sign(pair),
      await sign(await makeKeyPair("ed25519")),
    ];
    await suspend(db.database, parts, held);
    await revoke(db.database, parts, gone, "superseded");
    const { revoked, first, last } = await block(pair);
    expect(revoked.map(({ fingerprint }) => fingerprint).sort()).toEqual(
      [live.fingerprint, held.fingerprint].sort(),
    );
    for (const certificate of [live, held]) {
      expect(await found(certificate)).toMatchObject({ status: "revoked", reason: "keyCompromise" });
    }
    expect(await found(gone)).toMatchObject({ status: "revoked", reason: "superseded" });
    expect(await found(other)).toMatchObject({ status: "active" });
    const changes = await db.database.changes.after(first - 1, 10);
    expect(changes.map(({ action }) => action)).toEqual([
      "key.block",
      "certificate.revoke",
      "certificate.revoke",
    ]);
    expect(changes.at(-1)?.sequence).toBe(last);
  });

  test("leaves what has ended by itself alone", async () => {
    const later = await makeIssuing(db.database);
    const pair = await makeKeyPair("ec-p256");
    const account = (await freshAccount(later)).slug;
    const wanted = { account, csr: await csrOf(pair), profile: "client" };
    const ended = await signRecord(later, "cli:tester", wanted);
    later.clock.advance(2 * DAY);
    const key = { spkiHash: hashOf(pair), keyType: pair.keyType };
    expect((await blockKey(db.database, later, key, "old")).revoked).toEqual([]);
    expect(await found(ended)).toMatchObject({ status: "active" });
  });

  test("is blocked once; by a revocation as keyCompromise too, which ends whatever lives with it", async () => {
    const pair = await makeKeyPair("ec-p256");
    await block(pair);
    const before = await db.dump();
    await expectRefusal(block(pair), "STATE_UNCHANGED", "The key is blocked already.");
    expect(await db.dump()).toEqual(before);

    const leaked = await makeKeyPair("ec-p256");
    const account = (await freshAccount(parts)).slug;
    const wanted = { account, csr: await csrOf(leaked), profile: "client" };
    const [one, other, held] = [
      await signRecord(parts, "cli:tester", wanted),
      await signRecord(parts, "cli:tester", wanted),
      await signRecord(parts, "cli:tester", wanted),
    ];
    await suspend(db.database, parts, held);
    const begin = await db.database.changes.last();
    const revocation = await revoke(db.database, parts, one, "keyCompromise");
    const names = revocation.others.map(({ fingerprint }) => fingerprint);
    expect(names.sort()).toEqual([other.fingerprint, held.fingerprint].sort());
    expect(revocation).toMatchObject({ first: begin + 1, sequence: begin + 3 });
    for (const each of [one, other, held]) {
      expect(await found(each)).toMatchObject({ status: "revoked", reason: "keyCompromise" });
    }
    await expectRefusal(signRecord(parts, "cli:tester", wanted), "KEY_BLOCKED");
    await expectRefusal(block(leaked), "STATE_UNCHANGED");
    const [key] = await db.database.keys.byHashes([hashOf(leaked)]);
    expect(key).toMatchObject({ blockedBecause: "keyCompromise" });
  });

  // The changes alone are more than SQLite takes in one statement.
  const MANY = 5600;
  test.each([
    ["blocked", 1, (key: KeyName) => blockKey(db.database, parts, key, "leaked")],
    [
      "revoked as keyCompromise",
      0,
      async (_key: KeyName, fingerprint: Fingerprint) => {
        const { first, sequence } = await revoke(db.database, parts, { fingerprint }, "keyCompromise");
        return { first, last: sequence };
      },
    ],
  ] as const)("with thousands of certificates is %s in one go", async (_name, besides, end) => {
    const key = { spkiHash: hashOf(await makeKeyPair("ec-p256")), keyType: "ec-p256" } as const;
    const { account, fingerprints } = await putManyCertificates(db.database, MANY, START, key.spkiHash);
    const { first, last } = await end(key, parseFingerprint(String(fingerprints[0])));
    expect(last - first + 1).toBe(MANY + besides);
    expect(await db.database.changes.last()).toBe(last);
    const changes = await db.database.changes.after(first - 1 + besides, MANY + 1);
    expect(new Set(changes.map(({ subject }) => subject))).toEqual(new Set(fingerprints));
    const certificates = await db.database.certificates.list({ account: parseSlug(account) });
    expect(certificates.filter(({ reason }) => reason === "keyCompromise")).toHaveLength(MANY);
  });

  test("is none of our own CAs'", async () => {
    const key = { spkiHash: spkiHashOf(parts.issuer.signer.spki), keyType: parts.issuer.signer.keyType };
    const before = await db.dump();
    await expectRefusal(blockKey(db.database, parts, key, "a mistake"), "KEY_IN_USE");
    expect(await db.dump()).toEqual(before);
  });
});
