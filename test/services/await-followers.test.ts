import { randomUUID } from "node:crypto";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { SECOND } from "../../src/domain/time.ts";
import { FOLLOWER_SILENCE, awaitFollowers } from "../../src/services/await-followers.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, testClock } from "../support/issuing.ts";

const everybody = () => true;

onEachDatabase("waiting for the servers", (db) => {
  let ids: string[] = [];
  beforeAll(async () => {
    const change = { time: START, actor: "test", action: "home.init", subject: "", detail: {} } as const;
    await db.database.changes.append(Array(9).fill(change));
  });
  afterEach(async () => {
    for (const id of ids) await db.database.followers.leave(id);
    ids = [];
  });

  const server = async (applied: number, seenAt = START, pid = 1): Promise<string> => {
    const id = randomUUID();
    ids.push(id);
    await db.database.followers.announce(id, pid, "host", applied, seenAt);
    return id;
  };

  test("ends at once when there is none", async () => {
    expect(await awaitFollowers(db.database, testClock(), { last: 5 }, everybody, SECOND)).toEqual({
      servers: 0,
      late: 0,
      connectionsClosed: 0,
    });
  });

  test("ends when all have applied the change, and counts the connections that they end", async () => {
    const ids = [await server(5), await server(9)];
    for (const id of ids) await db.database.followers.closing(id, 5, 2);
    expect(await awaitFollowers(db.database, testClock(), { last: 5 }, everybody, SECOND)).toEqual({
      servers: 2,
      late: 0,
      connectionsClosed: 4,
    });
  });

  test("goes on until the last has applied it", async () => {
    await server(6);
    const slow = await server(5);
    let asked = 0;
    const application = await awaitFollowers(
      {
        ...db.database,
        followers: {
          ...db.database.followers,
          async list(since) {
            if (++asked === 3) await db.database.followers.applied(slow, 6, START);
            return db.database.followers.list(since);
          },
        },
      },
      testClock(),
      { last: 6 },
      everybody,
      SECOND,
    );
    expect(application).toMatchObject({ servers: 2, late: 0 });
    expect(asked).toBe(3);
  });

  test("ends when patience does, and says who is late", async () => {
    await server(6);
    await server(5);
    const clock = testClock();
    const impatient = {
      now: () => {
        clock.advance(SECOND / 4);
        return clock.now();
      },
    };
    expect(await awaitFollowers(db.database, impatient, { last: 6 }, everybody, SECOND)).toMatchObject({
      servers: 1,
      late: 1,
    });
  });

  test("does not take for done what a server applied that the database no longer has", async () => {
    await server(9);
    const lost = await server(10);
    const clock = testClock();
    let asked = 0;
    const database: Database = {
      ...db.database,
      followers: {
        ...db.database.followers,
        async list(since) {
          if (++asked === 3) await db.database.followers.announce(lost, 1, "host", 6, START);
          return db.database.followers.list(since);
        },
      },
    };
    expect(await awaitFollowers(database, clock, { last: 6 }, everybody, SECOND)).toMatchObject({
      servers: 2,
      late: 0,
    });
    expect(asked).toBe(3);
    await db.database.followers.announce(lost, 1, "host", 10, START);
    expect(await awaitFollowers(db.database, clock, { last: 6 }, everybody, 0)).toMatchObject({
      servers: 1,
      late: 1,
    });
  });

  test("does not wait for a process that is gone, nor for one that was long silent", async () => {
    await server(6);
    await server(5, START, 4711);
    await server(5, START - FOLLOWER_SILENCE - 1);
    const isAlive = ({ pid }: { pid: number }) => pid !== 4711;
    expect(await awaitFollowers(db.database, testClock(), { last: 6 }, isAlive, SECOND)).toMatchObject({
      servers: 1,
      late: 0,
    });
  });
});
