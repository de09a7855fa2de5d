import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { markOf } from "../../src/domain/history.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { CertificateRecord, Change } from "../../src/domain/records.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { CredentialIndex } from "../../src/enforce/credential-index.ts";
import { ChangeFollower } from "../../src/services/follow-changes.ts";
import { revoke } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import {
  START,
  type TestClock,
  freshAccount,
  makeCsr,
  makeIssuing,
  signRecord,
  testClock,
  testLogger,
} from "../support/issuing.ts";

onEachDatabase("a server that follows the changes", (db) => {
  let clock: TestClock;
  let applied: Change[][];
  let faults: unknown[];
  let followers: ChangeFollower[];

  beforeEach(() => {
    clock = testClock();
    applied = [];
    faults = [];
    followers = [];
  });
  afterEach(async () => {
    for (const follower of followers) await follower.stop();
  });

  const follow = async (
    overrides: Partial<ConstructorParameters<typeof ChangeFollower>[0]> = {},
  ): Promise<{ follower: ChangeFollower; id: string }> => {
    const id = randomUUID();
    const follower = new ChangeFollower({
      database: db.database,
      clock,
      identity: { id, pid: process.pid, host: "test" },
      apply: (changes) => {
        applied.push([...changes]);
        return Promise.resolve(new Map());
      },
      loadAnew: () => Promise.reject(new Error("the database has not gone back")),
      logger: testLogger(),
      onFault: (error) => faults.push(error),
      ...overrides,
    });
    followers.push(follower);
    const newest = await db.database.changes.newest();
    await follower.start(newest && markOf(newest));
    return { follower, id };
  };
  /** A database that gives no answer to who follows it, while it is down. */
  const silentWhile = (isDown: () => boolean): Database => {
    const { changes } = db.database;
    const after: typeof changes.after = (...args) =>
      isDown() ? Promise.reject(new Error("no answer")) : changes.after(...args);
    return { ...db.database, changes: { ...changes, after } };
  };
  const change = () => freshAccount({ database: db.database, clock, actor: "cli:tester" });
  const sequences = () => applied.flat().map(({ sequence }) => sequence);
  const row = async (id: string) => (await db.database.followers.list(0)).find((one) => one.id === id);

  test.each([
    ["was set back", -10 * MINUTE],
    ["says that it was too long ago", MINUTE + 1],
  ])("is not current by any clock, once that %s, before the database answers again", async (_what, step) => {
    let isDown = false;
    const { follower } = await follow({ database: silentWhile(() => isDown) });
    isDown = true;
    clock.advance(MINUTE);
    await eventually(() => {
      expect(faults).toHaveLength(1);
    });
    expect(follower.isLost).toBe(false);
    clock.advance(step - MINUTE);
    await eventually(() => {
      expect(follower.isLost).toBe(true);
    });
    clock.advance(-step); // as if no time had passed
    await db.database.changes.last();
    expect(follower.isLost).toBe(true);
    isDown = false;
    await eventually(() => {
      expect(follower.isLost).toBe(false);
    });
  });

  test("is not current any more at once, when the database's file was replaced", async () => {
    const { changes } = db.database;
    const after = () => Promise.reject(new Refusal("STATE_WENT_BACK", "replaced"));
    const { follower } = await follow({ database: { ...db.database, changes: { ...changes, after } } });
    await eventually(() => {
      expect(follower.isLost).toBe(true);
    });
  });

  test("applies each change once, in order, and what was before not at all", async () => {
    await change();
    const before = await db.database.changes.last();
    await follow();
    await Promise.all(Array.from({ length: 25 }, change));
    await eventually(() => {
      expect(sequences()).toHaveLength(25);
    });
    expect(sequences()).toEqual(Array.from({ length: 25 }, (_, i) => before + 1 + i));
  });

  test("looks at once at what this process commits, and again at what came meanwhile", async () => {
    const parts = await makeIssuing(db.database);
    const certificates: CertificateRecord[] = [];
    const { slug } = await freshAccount(parts);
    for (let i = 0; i < 8; i++) {
      const wanted = { account: slug, csr: await makeCsr(), profile: "client" };
      certificates.push(await signRecord(parts, "cli:tester", wanted));
    }
    const index = new CredentialIndex(db.database);
    await index.load(START);
    const apply = async (changes: readonly Change[]) => {
      await index.apply(changes);
      return new Map<number, number>();
    };
    // As good as no polling by the clock.
    await follow({ apply, pollInterval: HOUR });
    await Promise.all(certificates.map((one) => revoke(db.database, parts, one, "keyCompromise")));
    await eventually(() => {
      const states = certificates.map(({ fingerprint }) => index.get(fingerprint)?.status);
      expect(states).toEqual(certificates.map(() => "revoked"));
    });
  });

  test("applies what another process writes", async () => {
    await follow();
    const other = await db.open();
    const { slug } = await freshAccount({ database: other, clock, actor: "cli:tester" });
    await eventually(() => {
      expect(applied.flat()).toMatchObject([{ action: "account.create", subject: slug }]);
    });
  });

  test("says how far it has come, and how many connections each change ended", async () => {
    const ended = new Map<number, number>();
    const { id } = await follow({
      apply: (changes) => {
        for (const { sequence } of changes) ended.set(sequence, 3);
        return Promise.resolve(ended);
      },
    });
    expect((await row(id))?.applied).toBe(await db.database.changes.last());
    await change();
    const last = await db.database.changes.last();
    await eventually(async () => {
      expect(await row(id)).toEqual({ id, pid: process.pid, host: "test", applied: last });
    });
    expect(await db.database.followers.connectionsClosed(last, last)).toBe(3);
  });

  test("shows every few seconds that it is there, although nothing changes", async () => {
    const { id } = await follow();
    clock.advance(5 * SECOND);
    await eventually(async () => {
      const recent = await db.database.followers.list(START + 5 * SECOND);
      expect(recent.map((one) => one.id)).toContain(id);
    });
  });

  test("lists itself again when others took it for gone", async () => {
    const { id } = await follow();
    await db.database.followers.leave(id);
    await change();
    const last = await db.database.changes.last();
    await eventually(async () => {
      expect(await row(id)).toEqual({ id, pid: process.pid, host: "test", applied: last });
    });
  });

  test("leaves when it stops, and applies no more", async () => {
    const { follower, id } = await follow();
    await follower.stop();
    await change();
    expect(await row(id)).toBeUndefined();
    expect(applied).toEqual([]);
    followers = [];
  });

  test("tells once of a database that does not answer, and goes on where it was", async () => {
    let down = false;
    const database = silentWhile(() => down);
    const after = vi.spyOn(database.changes, "after");
    const { follower } = await follow({ database });
    for (const outage of [1, 2]) {
      down = true;
      const already = after.mock.calls.length;
      await change();
      await eventually(() => {
        expect(after.mock.calls.length).toBeGreaterThan(already + 3);
      });
      expect(faults).toHaveLength(outage);
      expect(sequences()).toHaveLength(outage - 1);
      const stale = follower.currentAt;
      clock.advance(SECOND);
      down = false;
      await eventually(() => {
        expect(sequences()).toHaveLength(outage);
        expect(follower.currentAt).toBeGreaterThan(stale);
      });
    }
    expect(faults.map(String)).toEqual(["Error: no answer", "Error: no answer"]);
  });

  test("is current when it can read, though nothing can be written", async () => {
    const refused = () => Promise.reject(new Error("read-only"));
    const database: Database = {
      ...db.database,
      followers: { ...db.database.followers, applied: refused, closing: refused },
    };
    const { follower } = await follow({ database });
    clock.advance(HOUR);
    await eventually(() => {
      expect(follower.currentAt).toBe(clock.now());
    });
    await change();
    await eventually(() => {
      expect(sequences()).toHaveLength(1);
    });
  });

  test("is as stale as its last answered question, and no longer once it is answered again", async () => {
    let down = true;
    const database = silentWhile(() => down);
    const { follower } = await follow({ database });
    clock.advance(HOUR);
    await eventually(() => {
      expect(faults).toHaveLength(1);
    });
    expect(follower.currentAt).toBe(START);
    down = false;
    await eventually(() => {
      expect(follower.currentAt).toBe(START + HOUR);
    });
  });

  test("applies again what it could not apply", async () => {
    let failures = 2;
    await follow({
      apply: (changes) => {
        if (failures-- > 0) return Promise.reject(new Error("not now"));
        applied.push([...changes]);
        return Promise.resolve(new Map());
      },
    });
    await change();
    await eventually(() => {
      expect(sequences()).toEqual([applied[0]?.[0]?.sequence]);
    });
    expect(sequences()).toEqual([await db.database.changes.last()]);
    expect(faults.map(String)).toEqual(["Error: not now"]);
  });

  test("says how far it has come in the next round when it could not in this one", async () => {
    let failures = 1;
    const database: Database = {
      ...db.database,
      followers: {
        ...db.database.followers,
        applied: (...args) =>
          failures-- > 0 ? Promise.reject(new Error("not now")) : db.database.followers.applied(...args),
      },
    };
    const { id } = await follow({ database });
    await change();
    const last = await db.database.changes.last();
    await eventually(async () => {
      expect((await row(id))?.applied).toBe(last);
    });
  });
});
