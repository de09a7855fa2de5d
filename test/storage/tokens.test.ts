import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { sha256Hex, parseFingerprint, spkiHashOf } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { TokenRecord } from "../../src/domain/records.ts";
import { type TestDatabase, onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { someAccount, someToken } from "./records.ts";

const someFingerprint = () => parseFingerprint(randomBytes(32).toString("hex"));

async function putToken(db: TestDatabase, as: Partial<TokenRecord> = {}): Promise<TokenRecord> {
  const account = await db.database.accounts.insert(someAccount());
  const token = { ...someToken(account), ...as };
  await db.database.tokens.insert(token);
  return { ...token, account: account.slug };
}

onEachDatabase("tokens", (db) => {
  test("come back with their account's name, by hash and by id", async () => {
    const { tokens } = db.database;
    const token = await putToken(db, { scopes: [parseScope("orders:read")] });
    const account = await db.database.accounts.byId(token.accountId);
    expect(await tokens.byHashes([sha256Hex("another"), token.hash])).toEqual([{ token, account }]);
    expect(await tokens.byIds(["another", token.id])).toEqual([token]);
    expect(await tokens.byId(token.id)).toEqual(token);
    expect(await tokens.byHashes([sha256Hex("another")])).toEqual([]);
    expect(await tokens.byHashes([])).toEqual([]);
    expect(await tokens.byIds([])).toEqual([]);
    expect(await tokens.byId("another")).toBeUndefined();
  });

  test("with no scope at all are told from those with all of the account's", async () => {
    const [none, all] = [await putToken(db, { scopes: [] }), await putToken(db)];
    expect((await db.database.tokens.byId(none.id))?.scopes).toEqual([]);
    expect((await db.database.tokens.byId(all.id))?.scopes).toBeUndefined();
  });

  test("are listed of all accounts or of one, the newest first", async () => {
    const { tokens } = db.database;
    const [older, newer] = [await putToken(db, { createdAt: START - 10 }), await putToken(db)];
    const ids = (await tokens.list()).map(({ id }) => id);
    expect(ids.indexOf(newer.id)).toBeLessThan(ids.indexOf(older.id));
    expect(await tokens.list(older.account)).toEqual([older]);
  });

  test("are bound to one CSR, once", async () => {
    const { tokens } = db.database;
    const token = await putToken(db);
    const csrHash = sha256Hex("csr");
    await tokens.use([{ id: token.id, csrHash, address: "::1" }], START + 1);
    const usedBefore = "a token had its csr_hash already";
    const another = [{ id: token.id, csrHash: sha256Hex("another") }];
    await expect(tokens.use(another, START + 2)).rejects.toThrow(usedBefore);
    await expect(tokens.use([{ id: token.id, csrHash }], START + 3)).rejects.toThrow(usedBefore);
    expect(await tokens.byId(token.id)).toEqual({ ...token, usedAt: START + 1, usedFrom: "::1", csrHash });
  });

  test("are bound many at a time, each to its own", async () => {
    const { tokens } = db.database;
    const put = await Promise.all(Array.from({ length: 20 }, () => putToken(db)));
    await tokens.use(
      put.map(({ id }) => ({ id, csrHash: sha256Hex(id) })),
      START,
    );
    for (const { id } of put) expect((await tokens.byId(id))?.csrHash).toBe(sha256Hex(id));
    await tokens.use([], START);
  });

  test("raced for by many transactions on two connections are bound once", async () => {
    const token = await putToken(db);
    const databases = [db.database, await db.open()];
    const hashes = Array.from({ length: 20 }, (_, i) => sha256Hex(`csr ${String(i)}`));
    const outcomes = await Promise.all(
      databases.flatMap((database) =>
        hashes.map(async (hash) => ({
          hash,
          won: await database
            .transaction((stores) => stores.tokens.use([{ id: token.id, csrHash: hash }], START))
            .then(
              () => true,
              () => false,
            ),
        })),
      ),
    );
    const winners = outcomes.filter(({ won }) => won);
    expect(winners).toHaveLength(1);
    expect((await db.database.tokens.byId(token.id))?.csrHash).toBe(winners[0]?.hash);
  });

  test("enrol one certificate", async () => {
    const { tokens } = db.database;
    const token = await putToken(db);
    const [first, second] = [someFingerprint(), someFingerprint()];
    await tokens.fulfil([{ id: token.id, fingerprint: first }]);
    for (const fingerprint of [first, second]) {
      await expect(tokens.fulfil([{ id: token.id, fingerprint }])).rejects.toThrow(
        "a token had its fingerprint already",
      );
    }
    expect((await tokens.byId(token.id))?.fingerprint).toBe(first);
  });

  test("are revoked alone", async () => {
    const { tokens } = db.database;
    const [one, other] = [await putToken(db), await putToken(db)];
    await tokens.revoke(one.id, START + 7);
    expect(await tokens.byId(one.id)).toEqual({ ...one, revokedAt: START + 7 });
    expect(await tokens.byId(other.id)).toEqual(other);
  });

  test("keep their rules, and the token that they are a use of", async () => {
    const rules = {
      from: ["192.0.2.0/24", "2001:db8::/32"].map(parseCidr),
      keyTypes: ["ec-p256", "ml-dsa-65"] as const,
      spkiHash: spkiHashOf(randomBytes(91)),
    };
    const { tokens } = db.database;
    const parent = await putToken(db, { rules, uses: 7, usesTaken: 2, usedAt: START, usedFrom: "::1" });
    expect(await tokens.byId(parent.id)).toEqual(parent);
    const of = { parent: parent.id, accountId: parent.accountId };
    const late = await putToken(db, {
      ...of,
      createdAt: START + 1,
      csrHash: sha256Hex("csr"),
      usedAt: START,
    });
    const early = await putToken(db, of);
    const children = await tokens.childrenOf([parent.id, "another"]);
    expect(children.map(({ id }) => id)).toEqual([early.id, late.id]);
    expect(children[1]).toEqual({ ...late, account: parent.account });
    const listed = (await tokens.list()).map(({ id }) => id);
    expect(listed).toContain(parent.id);
    for (const { id } of [early, late]) expect(listed).not.toContain(id);
  });

  test("of several uses have as many, whoever takes them at once", async () => {
    const token = await putToken(db, { uses: 5 });
    const other = await db.open();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) =>
        (index % 2 === 0 ? db.database : other).transaction((stores) =>
          stores.tokens.takeUse(token.id, START + 9, "192.0.2.1"),
        ),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
    for (const { reason } of rejected) expect(String(reason)).toContain("a token has no use left");
    const after = { usesTaken: 5, usedAt: START + 9, usedFrom: "192.0.2.1" };
    expect(await db.database.tokens.byId(token.id)).toEqual({ ...token, ...after });
  });

  test("with a parent are revoked when they have enrolled nothing, of one parent or of all", async () => {
    const { tokens } = db.database;
    const [one, two, alone] = [
      await putToken(db, { uses: 2 }),
      await putToken(db, { uses: 2 }),
      await putToken(db),
    ];
    const fulfilled = await putToken(db, { parent: one.id, fingerprint: someFingerprint() });
    const before = await putToken(db, { parent: one.id, revokedAt: START });
    const [open, other] = [await putToken(db, { parent: one.id }), await putToken(db, { parent: two.id })];
    expect(await tokens.revokeChildren(one.id, START + 3)).toEqual([open.id]);
    const revokedAt = async ({ id }: TokenRecord) => (await tokens.byId(id))?.revokedAt;
    expect(await Promise.all([fulfilled, before, open, other].map(revokedAt))).toEqual([
      ...[undefined, START, START + 3, undefined],
    ]);
    expect(await tokens.revokeChildren(undefined, START + 4)).toContain(other.id);
    expect(await Promise.all([fulfilled, other, alone, two].map(revokedAt))).toEqual([
      ...[undefined, START + 4, undefined, undefined],
    ]);
  });

  test("have a hash that no other has, and an account", async () => {
    const token = await putToken(db);
    await expect(putToken(db, { hash: token.hash })).rejects.toThrow(/unique/i);
    await expect(putToken(db, { accountId: 999_999 })).rejects.toThrow(/foreign key/i);
  });
});
