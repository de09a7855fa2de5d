import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "../../src/storage/database.ts";
import { TestDatabase, onEachDatabase } from "../support/databases.ts";
import { projectRoot } from "../support/run.ts";

const migrations = readdirSync(join(projectRoot, "src/storage/migrations"))
  .filter((file) => /^\d/.test(file))
  .map((file) => basename(file, ".ts"));

onEachDatabase("migrations", (db) => {
  test("make every table from nothing", async () => {
    expect(await db.tables()).toEqual(
      [
        "accounts",
        "certificates",
        "changes",
        "closings",
        "crl_chunks",
        "crls",
        "followers",
        "intents",
        "issuers",
        "keys",
        "knex_migrations",
        "knex_migrations_lock",
        "renewals",
        "requests",
        "sequence",
        "tokens",
        "uses",
      ].sort(),
    );
    expect(await db.database.changes.last()).toBe(0);
  });

  test("are recorded by names without an extension: .ts in a checkout is .js when published", async () => {
    const names = (await db.query("SELECT name FROM knex_migrations")).map(({ name }) => name);
    expect(names).toEqual(migrations);
  });

  test("do nothing to a database that is up to date", async () => {
    const before = await db.dump();
    await db.open();
    expect(await db.dump()).toEqual(before);
  });

  test("go on where two processes each put a lock there: Knex gets neither", async () => {
    const fresh = new TestDatabase(db.kind);
    await fresh.create();
    try {
      await fresh.query('CREATE TABLE knex_migrations_lock ("index" integer PRIMARY KEY, is_locked integer)');
      await fresh.query('INSERT INTO knex_migrations_lock ("index", is_locked) VALUES (1, 0), (2, 0)');
      const database = await fresh.open();
      expect(await database.changes.last()).toBe(0);
      expect(await fresh.query("SELECT is_locked FROM knex_migrations_lock")).toEqual([{ is_locked: 0 }]);
    } finally {
      await fresh.remove();
    }
  });

  test("let several processes open a database at once", async () => {
    const before = await db.dump();
    await Promise.all([db.open(), db.open(), db.open(), db.open()]);
    expect(await db.dump()).toEqual(before);
  });

  test("made by several processes at once are made once; who came too late is refused, and may try again", async () => {
    const fresh = new TestDatabase(db.kind);
    await fresh.create();
    try {
      const openings = await Promise.allSettled([1, 2, 3].map(() => openDatabase(fresh.location)));
      for (const opening of openings) {
        if (opening.status === "fulfilled") await opening.value.close();
        else expect(opening.reason).toMatchObject({ code: "UNAVAILABLE" });
      }
      expect(openings.map(({ status }) => status)).toContain("fulfilled");
      const database = await fresh.open();
      expect(await database.changes.last()).toBe(0);
      const names = (await fresh.query("SELECT name FROM knex_migrations")).map(({ name }) => name);
      expect(names).toEqual(migrations);
      expect(await fresh.query("SELECT * FROM sequence")).toHaveLength(1);
    } finally {
      await fresh.remove();
    }
  });
});
