import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";

onEachDatabase("followers", (db) => {
  test("announce themselves, say how far they are, and leave", async () => {
    const { followers } = db.database;
    const [one, other] = [randomUUID(), randomUUID()];
    await followers.announce(one, 11, "host-a", 5, START);
    await followers.announce(other, 12, "host-b", 6, START);
    await followers.applied(one, 8, START + 1);
    const listed = await followers.list(START);
    expect(listed.sort((a, b) => a.pid - b.pid)).toEqual([
      { id: one, pid: 11, host: "host-a", applied: 8 },
      { id: other, pid: 12, host: "host-b", applied: 6 },
    ]);
    await followers.leave(one);
    expect((await followers.list(START)).map(({ id }) => id)).toEqual([other]);
    await followers.leave(other);
    expect(await followers.list(0)).toEqual([]);
  });

  test("that have been silent for long are left out", async () => {
    const { followers } = db.database;
    const id = randomUUID();
    await followers.announce(id, 11, "host-a", 0, START);
    expect(await followers.list(START + 1)).toEqual([]);
    await followers.applied(id, 0, START + 1);
    expect(await followers.list(START + 1)).toHaveLength(1);
    await followers.leave(id);
  });

  test("add up the connections that a change ended", async () => {
    const { followers } = db.database;
    await followers.closing("one", 41, 2);
    await followers.closing("other", 41, 3);
    await followers.closing("one", 42, 7);
    expect(await followers.connectionsClosed(41, 41)).toBe(5);
    expect(await followers.connectionsClosed(42, 42)).toBe(7);
    expect(await followers.connectionsClosed(43, 99)).toBe(0);
    expect(await followers.connectionsClosed(41, 42)).toBe(12);
  });
});
