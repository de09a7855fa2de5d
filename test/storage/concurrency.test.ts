import { expect, test } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import type { Database } from "../../src/domain/ports.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { someAccount } from "./records.ts";

const WRITES = 100;

/** What a service does: reads, changes, records the change. */
function write(database: Database, subject: string): Promise<number> {
  return database.transaction(async (stores) => {
    const account = { ...someAccount() };
    await stores.accounts.bySlug(account.slug);
    await stores.accounts.insert(account);
    const change = { time: START, actor: "t", action: "account.create", subject, detail: {} } as const;
    return stores.changes.append([change]);
  });
}

onEachDatabase("two connections", (db) => {
  test("write at once and lose nothing, and a reader that follows misses nothing", async () => {
    const writers = [db.database, await db.open()];
    const reader = await db.open();
    let writing = true;

    const follow = async (): Promise<string[]> => {
      const seen: string[] = [];
      let last = 0;
      for (;;) {
        const isLastRound = !writing;
        const batch = await reader.changes.after(last, 7);
        for (const { sequence, subject } of batch) {
          // A gap here is a change that was committed late, and is never asked for again.
          expect(sequence).toBe(last + 1);
          last = sequence;
          seen.push(subject);
        }
        if (batch.length === 0 && isLastRound) return seen;
      }
    };
    const following = follow();
    const writes = Array.from({ length: WRITES }, (_, i) =>
      write(i % 2 === 0 ? db.database : (writers[1] ?? db.database), `write-${String(i)}`),
    );
    const sequences = await Promise.all(writes).finally(() => {
      writing = false;
    });

    const expected = Array.from({ length: WRITES }, (_, i) => i + 1);
    expect(sequences.sort((a, b) => a - b)).toEqual(expected);
    expect((await following).sort()).toEqual(expected.map((n) => `write-${String(n - 1)}`).sort());
    expect(await db.database.accounts.list()).toHaveLength(WRITES);
  });

  test("read and write in one transaction, with no update lost between", async () => {
    const other = await db.open();
    const account = await db.database.accounts.insert({ ...someAccount(), suspendedAt: 0 });
    const countUp = (database: Database): Promise<void> =>
      database.transaction(async (stores) => {
        const current = await stores.accounts.byId(account.id);
        await stores.accounts.setStatus(account.id, "suspended", (current?.suspendedAt ?? 0) + 1);
      });
    await Promise.all(Array.from({ length: 40 }, (_, i) => countUp(i % 2 === 0 ? db.database : other)));
    expect((await db.database.accounts.byId(account.id))?.suspendedAt).toBe(40);
  });

  test("are not left locked by a transaction that was refused", async () => {
    const other = await db.open();
    const refused = db.database.transaction(() => Promise.reject(new Refusal("TOKEN_USED")));
    await expect(refused).rejects.toMatchObject({ code: "TOKEN_USED" });
    const last = await db.database.changes.last();
    expect(await write(other, "after")).toBe(last + 1);
  });

  test("commit in the order of their numbers: a later number is not seen while an earlier one is open", async () => {
    const [other, reader] = [await db.open(), await db.open()];
    const before = await reader.changes.last();
    let later: Promise<number> | undefined;
    const first = await db.database.transaction(async (stores) => {
      const change = { time: START, actor: "t", action: "account.create", detail: {} } as const;
      const sequence = await stores.changes.append([{ ...change, subject: "first" }]);
      later = write(other, "later");
      for (let i = 0; i < 10; i++) expect(await reader.changes.after(before, 10)).toEqual([]);
      return sequence;
    });
    expect([first, await later]).toEqual([before + 1, before + 2]);
    const seen = await reader.changes.after(before, 10);
    expect(seen.map(({ subject }) => subject)).toEqual(["first", "later"]);
  });
});
