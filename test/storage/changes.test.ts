import { expect, test } from "vitest";
import type { Database, Stores } from "../../src/domain/ports.ts";
import type { Change } from "../../src/domain/records.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";

const someChange = (subject = "orders"): Omit<Change, "sequence"> => ({
  time: START,
  actor: "cli:tester",
  action: "account.create",
  subject,
  detail: { scopes: ["orders:read"], nested: { deep: [1, null, "ü"] } },
});

const append = (database: Database, subject?: string): Promise<number> =>
  database.transaction((stores) => stores.changes.append([someChange(subject)]));

onEachDatabase("changes", (db) => {
  test("are numbered from 1 without gaps, and come back as they were written", async () => {
    const { changes } = db.database;
    expect(await changes.last()).toBe(0);
    expect(await changes.after(0, 10)).toEqual([]);
    expect(await append(db.database)).toBe(1);
    expect(await append(db.database)).toBe(2);
    expect(await changes.last()).toBe(2);
    expect(await changes.after(0, 10)).toEqual([
      { ...someChange(), sequence: 1 },
      { ...someChange(), sequence: 2 },
    ]);
  });

  test("are numbered one after the other within a transaction", async () => {
    const before = await db.database.changes.last();
    const sequences = await db.database.transaction(async (stores) => {
      const first = await stores.changes.append([someChange()]);
      return [first, await stores.changes.append([someChange()]), await stores.changes.last()];
    });
    expect(sequences).toEqual([before + 1, before + 2, before + 2]);
  });

  test("are told of once they are committed, and not when they come to nothing", async () => {
    const told: string[][] = [];
    const stop = db.database.onCommit((changes) => told.push(changes.map(({ subject }) => subject)));
    const failing = db.database.transaction(async (stores) => {
      await stores.changes.append([someChange("nothing")]);
      throw new Error("it comes to nothing");
    });
    await expect(failing).rejects.toThrow("it comes to nothing");
    await db.database.transaction(async (stores) => {
      await stores.changes.append([someChange("a")]);
      await stores.changes.append([someChange("b")]);
      expect(told).toEqual([]);
    });
    expect(told).toEqual([["a", "b"]]);
    stop();
    await append(db.database);
    expect(told).toHaveLength(1);
  });

  test("are numbered in their order when they come together, and the last number is told", async () => {
    const before = await db.database.changes.last();
    const last = await db.database.transaction((stores) =>
      stores.changes.append(["a", "b", "c"].map((subject) => someChange(subject))),
    );
    expect(last).toBe(before + 3);
    const written = await db.database.changes.after(before, 10);
    expect(written.map(({ sequence, subject }) => [sequence - before, subject])).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ]);
  });

  // More than fit into one statement, by the bound values that SQLite (32,766) and PostgreSQL (65,535) take.
  test("are numbered without gaps however many come together", async () => {
    const before = await db.database.changes.last();
    const subjects = Array.from({ length: 11_000 }, (_, index) => `subject-${String(index)}`);
    const last = await db.database.transaction((stores) =>
      stores.changes.append(subjects.map((subject) => someChange(subject))),
    );
    expect(last).toBe(before + subjects.length);
    expect(await db.database.changes.last()).toBe(last);
    const written = await db.database.changes.after(before, 20_000);
    expect(written.map(({ sequence }) => sequence)).toEqual(subjects.map((_, index) => before + 1 + index));
    expect(written.map(({ subject }) => subject)).toEqual(subjects);
  });

  test("are given after a number, and no more than asked for", async () => {
    const before = await db.database.changes.last();
    for (const subject of ["a", "b", "c"]) await append(db.database, subject);
    const subjects = async (after: number, limit: number) =>
      (await db.database.changes.after(after, limit)).map(({ subject }) => subject);
    expect(await subjects(before, 10)).toEqual(["a", "b", "c"]);
    expect(await subjects(before, 2)).toEqual(["a", "b"]);
    expect(await subjects(before + 2, 10)).toEqual(["c"]);
    expect(await subjects(before + 3, 10)).toEqual([]);
  });

  test("of a transaction that fails leave nothing, not even a gap", async () => {
    const before = await db.dump();
    const failing = db.database.transaction(async (stores: Stores) => {
      await stores.changes.append([someChange("lost")]);
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    expect(await db.dump()).toEqual(before);
    const last = await db.database.changes.last();
    expect(await append(db.database)).toBe(last + 1);
  });

  test("are not seen before they are committed", async () => {
    const reader = await db.open();
    const before = await reader.changes.last();
    await db.database.transaction(async (stores) => {
      await stores.changes.append([someChange("unseen")]);
      expect(await reader.changes.after(before, 10)).toEqual([]);
      expect(await reader.changes.last()).toBe(before);
    });
    expect((await reader.changes.after(before, 10)).map(({ subject }) => subject)).toEqual(["unseen"]);
  });
});
