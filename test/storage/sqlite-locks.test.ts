import { readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { openDatabase } from "../../src/storage/database.ts";
import { testWorkspace } from "../support/workspace.ts";

test.skipIf(process.platform !== "linux")("opening a database once more gives up no lock on it", async () => {
  const file = (await testWorkspace()).file("countersign.sqlite");
  const first = await openDatabase({ file });
  const inode = `:${String(statSync(file).ino)} `;
  const locks = (): string[] =>
    readFileSync("/proc/locks", "utf8")
      .split("\n")
      .filter((line) => line.includes(` ${String(process.pid)} `) && line.includes(inode));
  expect(locks()).not.toEqual([]);
  const second = await openDatabase({ file });
  expect(locks()).not.toEqual([]);
  await second.close();
  expect(locks()).not.toEqual([]);
  await first.close();
});
