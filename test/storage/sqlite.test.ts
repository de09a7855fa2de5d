import { existsSync } from "node:fs";
import { copyFile, rename, stat, writeFile } from "node:fs/promises";
import sqlite3 from "sqlite3";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { expectRefusal } from "../support/issuing.ts";
import { testWorkspace } from "../support/workspace.ts";
import { putIntent, putIssuer, someAccount, someIntent } from "./records.ts";

async function open(file: string): Promise<Database> {
  const database = await openDatabase({ file });
  onTestFinished(() => database.close());
  return database;
}

async function modeOf(file: string): Promise<string> {
  return ((await stat(file)).mode & 0o777).toString(8);
}

test("the file and its journals are their owner's alone, whatever the umask", async () => {
  const before = process.umask(0);
  onTestFinished(() => {
    process.umask(before);
  });
  const file = (await testWorkspace()).file("state.sqlite");
  const database = await open(file);
  await database.accounts.insert(someAccount());
  const files = [file, `${file}-wal`, `${file}-shm`].filter((path) => existsSync(path));
  expect(files).toHaveLength(3);
  for (const path of files) expect(await modeOf(path)).toBe("600");
});

test("every connection writes ahead, syncs in full, waits for locks and holds to foreign keys", async () => {
  // Most pragmas belong to a connection: they are asked for on the store's own.
  const exec = vi.spyOn(sqlite3.Database.prototype, "exec");
  onTestFinished(() => {
    exec.mockRestore();
  });
  await open((await testWorkspace()).file("state.sqlite"));
  const connection = exec.mock.contexts[0] as sqlite3.Database;
  const pragma = (name: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      connection.get(`PRAGMA ${name}`, (error: Error | null, row: Record<string, unknown>) => {
        if (error) reject(error);
        else resolve(Object.values(row)[0]);
      });
    });
  expect(await pragma("journal_mode")).toBe("wal");
  expect(await pragma("synchronous")).toBe(2); // FULL
  expect(await pragma("foreign_keys")).toBe(1);
  expect(await pragma("busy_timeout")).toBe(10_000);
});

test("what was put in is there when it is opened again", async () => {
  const file = (await testWorkspace()).file("state.sqlite");
  const first = await openDatabase({ file });
  const account = await first.accounts.insert(someAccount());
  const intent = someIntent(await putIssuer(first), account);
  await putIntent(first, intent);
  await first.close();
  const second = await open(file);
  expect(await second.accounts.byId(account.id)).toEqual(account);
  const { spkiHash, createdAt } = intent;
  expect(await second.keys.byHashes([spkiHash])).toEqual([
    {
      ...{ spkiHash, keyType: "ec-p256", accountId: account.id, seenAt: createdAt },
      ...{ blockedAt: undefined, blockedBecause: undefined },
    },
  ]);
});

test("a file that is not a database is refused, and left alone", async () => {
  const file = (await testWorkspace()).file("state.sqlite");
  const text = "This is no database, but somebody's notes. ".repeat(200);
  await writeFile(file, text);
  await expectRefusal(openDatabase({ file }), "UNAVAILABLE", "The database cannot be opened.");
  expect((await stat(file)).size).toBe(text.length);
});

test("a folder that is not there is refused", async () => {
  const file = (await testWorkspace()).file("missing/state.sqlite");
  await expectRefusal(openDatabase({ file }), "UNAVAILABLE", "The database cannot be opened.");
});

test("a file that another took the place of is not followed on", async () => {
  const workspace = await testWorkspace();
  const file = workspace.file("state.sqlite");
  const database = await open(file);
  await database.accounts.insert(someAccount());
  expect(await database.changes.after(0, 10)).toEqual([]);
  await rename(file, workspace.file("before.sqlite"));
  await expectRefusal(
    database.changes.after(0, 10),
    "STATE_WENT_BACK",
    "The database's file was replaced: start the server anew.",
  );
  await copyFile(workspace.file("before.sqlite"), file);
  await expectRefusal(
    database.changes.after(0, 10),
    "STATE_WENT_BACK",
    "The database's file was replaced: start the server anew.",
  );
});
