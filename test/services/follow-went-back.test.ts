import { randomUUID } from "node:crypto";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { markOf } from "../../src/domain/history.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { Change } from "../../src/domain/records.ts";
import { HOUR, SECOND } from "../../src/domain/time.ts";
import { awaitFollowers } from "../../src/services/await-followers.ts";
import { ChangeFollower, type WentBack } from "../../src/services/follow-changes.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { type TestClock, freshAccount, testClock, testLogger } from "../support/issuing.ts";
import { backUp } from "../support/restored.ts";

onEachDatabase("a server whose database goes back", (db) => {
  let clock: TestClock;
  let logger: ReturnType<typeof testLogger>;
  let applied: Change[];
  let wentBack: WentBack[];
  beforeEach(() => {
    clock = testClock();
    logger = testLogger();
    applied = [];
    wentBack = [];
  });

  const follow = async (overrides: Partial<ConstructorParameters<typeof ChangeFollower>[0]> = {}) => {
    const id = randomUUID();
    const follower = new ChangeFollower({
      ...{ database: db.database, clock, logger, identity: { id, pid: process.pid, host: "test" } },
      apply: (changes) => {
        applied.push(...changes);
        return Promise.resolve(new Map(changes.map(({ sequence }) => [sequence, 1])));
      },
      loadAnew: (what) => {
        wentBack.push(what);
        return Promise.resolve();
      },
      onFault: (error) => {
        throw error;
      },
      ...overrides,
    });
    onTestFinished(() => follower.stop());
    const newest = await db.database.changes.newest();
    await follower.start(newest && markOf(newest));
    return { follower, id };
  };
  const newest = async (): Promise<Change> => {
    const change = await db.database.changes.newest();
    if (!change) throw new Error("nothing was changed yet");
    return change;
  };
  const change = async (): Promise<Change> => {
    await freshAccount({ database: db.database, clock, actor: "cli:tester" });
    return newest();
  };
  const isApplied = (one: Change) =>
    eventually(() => {
      expect(applied).toContainEqual(one);
    });
  const row = async (id: string) => (await db.database.followers.list(0)).find((one) => one.id === id);
  const errors = () => logger.lines.filter(({ level }) => level === "error");

  test("loads everything anew, says so once, and goes on from where the database is", async () => {
    const before = await change();
    const { id } = await follow();
    const restore = await backUp(db);
    await change();
    const lost = await change();
    await isApplied(lost);
    await eventually(async () => {
      expect((await row(id))?.applied).toBe(lost.sequence);
    });
    await restore();
    await eventually(async () => {
      expect((await row(id))?.applied).toBe(before.sequence);
    });
    expect(wentBack).toEqual([{ from: markOf(lost), to: markOf(before) }]);
    expect(errors()).toMatchObject([{ fields: { applied: lost.sequence, last: before.sequence } }]);
    // Of the same number as one that was applied, and ended a connection, before.
    const next = await change();
    expect(next.sequence).toBe(lost.sequence - 1);
    const last = next.sequence;
    const everybody = (one: { pid: number }) => one.pid === process.pid;
    await isApplied(next);
    expect(await awaitFollowers(db.database, clock, { last }, everybody, SECOND)).toEqual({
      ...{ servers: 1, late: 0, connectionsClosed: 1 },
    });
    expect(errors()).toHaveLength(1);
    expect(wentBack).toHaveLength(1);
  });

  test.each([
    ["is as far again", 2],
    ["is further", 3],
  ])("notices when it %s by other changes, before it is asked", async (_how, count) => {
    let isSilent = false;
    const { changes } = db.database;
    const after: typeof changes.after = (...args) =>
      isSilent ? Promise.reject(new Error("no answer")) : changes.after(...args);
    const database: Database = { ...db.database, changes: { ...changes, after } };
    await change();
    const restore = await backUp(db);
    await follow({ database, onFault: () => undefined });
    await change();
    const lost = await change();
    await isApplied(lost);
    isSilent = true;
    await restore();
    for (let made = 0; made < count; made += 1) await change();
    const last = await newest();
    isSilent = false;
    await eventually(() => {
      expect(wentBack).toEqual([{ from: markOf(lost), to: markOf(last) }]);
    });
    await isApplied(await change());
  });

  test("is not current, and tries again, for as long as not everything is loaded anew", async () => {
    await change();
    let failures = 0;
    let isBroken = true;
    const { follower } = await follow({
      onFault: () => undefined,
      loadAnew: () => {
        failures += 1;
        return isBroken ? Promise.reject(new Error("not now")) : Promise.resolve();
      },
    });
    const restore = await backUp(db);
    await isApplied(await change());
    await restore();
    await eventually(() => {
      expect(failures).toBeGreaterThan(1);
    });
    const stale = follower.currentAt;
    clock.advance(HOUR);
    const already = failures;
    await eventually(() => {
      expect(failures).toBeGreaterThan(already + 1);
    });
    expect(follower.currentAt).toBe(stale);
    isBroken = false;
    await eventually(() => {
      expect(follower.currentAt).toBe(clock.now());
    });
    expect(errors()).toHaveLength(1);
  });

  test("goes on although it can say nowhere that it did", async () => {
    await change();
    const refused = () => Promise.reject(new Error("read-only"));
    const { followers } = db.database;
    let isReadOnly = false;
    const announce: typeof followers.announce = (...args) =>
      isReadOnly ? refused() : followers.announce(...args);
    const database: Database = { ...db.database, followers: { ...followers, announce } };
    const { follower, id } = await follow({ database, onFault: () => undefined });
    const restore = await backUp(db);
    await isApplied(await change());
    isReadOnly = true;
    await restore();
    await eventually(() => {
      expect(wentBack).toHaveLength(1);
    });
    clock.advance(HOUR);
    await eventually(() => {
      expect(follower.currentAt).toBe(clock.now());
    });
    expect(wentBack).toHaveLength(1);
    isReadOnly = false;
    const { sequence } = await newest();
    await eventually(async () => {
      expect((await row(id))?.applied).toBe(sequence);
    });
  });
});
