import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sha256Hex, parseFingerprint } from "../../src/domain/identifiers.ts";
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
    expect(await tokens.byHash(token.hash)).toEqual(token);
    expect(await tokens.byId(token.id)).toEqual(token);
    expect(await tokens.byHash(sha256Hex("another"))).toBeUndefined();
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
    expect(await tokens.use(token.id, csrHash, START + 1)).toBe(true);
    expect(await tokens.use(token.id, sha256Hex("another"), START + 2)).toBe(false);
    expect(await tokens.use(token.id, csrHash, START + 3)).toBe(false);
    expect(await tokens.byId(token.id)).toEqual({ ...token, usedAt: START + 1, csrHash });
  });

  test("raced for by many transactions on two connections are bound once", async () => {
    const token = await putToken(db);
    const databases = [db.database, await db.open()];
    const hashes = Array.from({ length: 20 }, (_, i) => sha256Hex(`csr ${String(i)}`));
    const outcomes = await Promise.all(
      databases.flatMap((database) =>
        hashes.map(async (hash) => ({
          hash,
          won: await database.transaction((stores) => stores.tokens.use(token.id, hash, START)),
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
    expect(await tokens.fulfil(token.id, first)).toBe(true);
    expect(await tokens.fulfil(token.id, second)).toBe(false);
    expect(await tokens.fulfil(token.id, first)).toBe(false);
    expect((await tokens.byId(token.id))?.fingerprint).toBe(first);
  });

  test("are revoked alone", async () => {
    const { tokens } = db.database;
    const [one, other] = [await putToken(db), await putToken(db)];
    await tokens.revoke(one.id, START + 7);
    expect(await tokens.byId(one.id)).toEqual({ ...one, revokedAt: START + 7 });
    expect(await tokens.byId(other.id)).toEqual(other);
  });

  test("have a hash that no other has, and an account", async () => {
    const token = await putToken(db);
    await expect(putToken(db, { hash: token.hash })).rejects.toThrow(/unique/i);
    await expect(putToken(db, { accountId: 999_999 })).rejects.toThrow(/foreign key/i);
  });
});
