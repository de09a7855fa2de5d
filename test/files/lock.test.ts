import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { type HeldLock, withLock } from "../../src/files/lock.ts";
import { expectRefusal } from "../support/issuing.ts";
import { testWorkspace } from "../support/workspace.ts";

/** 300 looks, of a waiter in the same process, take longer than a few touches, however busy that is. */
const fast = { touch: 5, look: 2 };

let path: string;
beforeEach(async () => {
  path = (await testWorkspace()).file("some.lock");
});

const hold = <Result>(work: (lock: HeldLock) => Promise<Result>) => withLock(path, work, fast);

test("one at a time, and nothing is left of it, also when the work fails", async () => {
  let [inside, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++inside);
    await setTimeout(3);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => hold(work)));
  await expect(hold(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  expect([inside, most, existsSync(path)]).toEqual([0, 1, false]);
});

/** What a lock held by another process of this machine says. */
async function textOfHeld(changes: object): Promise<string> {
  const held = await hold(() => Promise.resolve(readFileSync(path, "latin1")));
  return JSON.stringify({ ...(JSON.parse(held) as object), ...changes });
}

async function deadProcess(): Promise<number | undefined> {
  const child = spawn("true");
  await once(child, "exit");
  return child.pid;
}

test("whose holder is dead is taken over at once", async () => {
  writeFileSync(path, await textOfHeld({ pid: await deadProcess(), id: "another" }));
  const long = { touch: 5, look: 100_000 };
  expect(await withLock(path, () => Promise.resolve("done"), long)).toBe("done");
});

test.each<[string, () => Promise<string>]>([
  ["of another machine", async () => textOfHeld({ pid: await deadProcess(), place: "elsewhere" })],
  ["of this process in a former life", () => textOfHeld({ id: "another" })],
  ["that was not written to its end", () => Promise.resolve("")],
])("one %s is taken over when nobody was seen to touch it", async (_name, text) => {
  const found = await text();
  writeFileSync(path, found);
  const taken = hold(() => Promise.resolve("done"));
  expect(readFileSync(path, "latin1")).toBe(found); // it has looked once
  expect(await taken).toBe("done");
  expect(existsSync(path)).toBe(false);
});

test("one that is touched is not", async () => {
  let isOver = false;
  const first = hold(async (lock) => {
    await setTimeout(1500);
    lock.requireHeld();
    isOver = true;
  });
  await hold(() => {
    expect(isOver).toBe(true);
    return Promise.resolve();
  });
  await first;
});

test("who has lost it is told, and does not take the other's away", async () => {
  await hold(async (lock) => {
    writeFileSync(path, "another's");
    await expectRefusal(
      Promise.resolve().then(() => {
        lock.requireHeld();
      }),
      "UNAVAILABLE",
    );
  });
  expect(readFileSync(path, "latin1")).toBe("another's");
});

test.each([
  ["nowhere", "nothing"],
  ["to itself", "some.lock"],
])("a link in its place, that leads %s, is refused", async (_name, target) => {
  symlinkSync(target, path);
  await expectRefusal(
    hold(() => Promise.resolve()),
    "FILE_UNREADABLE",
    `${path} is no lock but a link or a folder. Take it away.`,
  );
});

test("where there can be none, that is said", async () => {
  mkdirSync(path);
  await expectRefusal(
    hold(() => Promise.resolve()),
    "FILE_UNREADABLE",
  );
  rmSync(dirname(path), { recursive: true });
  await expectRefusal(
    hold(() => Promise.resolve()),
    "FILE_UNREADABLE",
  );
});
