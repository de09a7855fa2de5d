import { promisify } from "node:util";
import { existsSync } from "node:fs";
import sqlite3 from "sqlite3";
import { expect, onTestFinished, test } from "vitest";
import type { SqliteConnection } from "../../src/storage/sqlite-connection.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { execute, preparedSql } from "../../src/storage/sqlite-connection.ts";
import { whileLocked } from "../support/lock-holder.ts";
import { testWorkspace } from "../support/workspace.ts";
import { someAccount } from "./records.ts";

async function connect(file: string) {
  const connection = new sqlite3.Database(file) as unknown as SqliteConnection;
  onTestFinished(async () => {
    await promisify(connection.close.bind(connection))();
  });
  await execute(
    connection,
    "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 50; CREATE TABLE IF NOT EXISTS things (name)",
  );
  return preparedSql(connection);
}

test("a statement that can't be prepared fails, then and later, and nothing else does", async () => {
  const sql = await connect(":memory:");
  const read = () => sql("SELECT * FROM absent", []);
  await expect(read()).rejects.toThrow("SQLITE_ERROR: no such table: absent");
  await expect(read()).rejects.toThrow("SQLITE_ERROR: no such table: absent");
  await sql("CREATE TABLE absent (name)", []);
  expect(await read()).toEqual([]);
});

test.each(["BEGIN IMMEDIATE", "INSERT INTO things VALUES ('late')"])(
  "after a lock that was in the way of %s, what is written is committed",
  async (statement) => {
    const file = (await testWorkspace()).file("state.sqlite");
    const [sql, other] = [await connect(file), await connect(file)];
    await whileLocked(file, () =>
      expect(sql(statement, [])).rejects.toThrow("SQLITE_BUSY: database is locked"),
    );
    await sql("INSERT INTO things VALUES (?)", ["first"]);
    expect(await other("SELECT name FROM things", [])).toEqual([{ name: "first" }]);
    await other("INSERT INTO things VALUES (?)", ["second"]);
    await sql("BEGIN IMMEDIATE", []);
    await sql("INSERT INTO things VALUES (?)", ["third"]);
    await sql("COMMIT", []);
    expect(await other("SELECT name FROM things ORDER BY rowid", [])).toEqual(
      ["first", "second", "third"].map((name) => ({ name })),
    );
  },
);

test("a database that is closed is one file again", async () => {
  const file = (await testWorkspace()).file("state.sqlite");
  for (let round = 0; round < 5; round++) {
    const database = await openDatabase({ file });
    await database.accounts.insert(someAccount());
    await database.transaction((stores) => stores.accounts.insert(someAccount()));
    expect(existsSync(`${file}-wal`)).toBe(true);
    await database.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  }
});
