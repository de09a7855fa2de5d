import { readFileSync, statSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test, vi } from "vitest";
import { markOf } from "../../src/domain/history.ts";
import { MINUTE, SECOND } from "../../src/domain/time.ts";
import { LastSeenKeeper, readLastSeen } from "../../src/home/last-seen.ts";
import { CrlPublisher } from "../../src/services/crl-publisher.ts";
import { signFirstCrl } from "../../src/services/crl.ts";
import { acceptOlderState, lastSeenOf, requireSameHistory } from "../../src/services/older-state.ts";
import { tokenStatus } from "../../src/services/tokens.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  type TestIssuing,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  testLogger,
} from "../support/issuing.ts";
import { backUp } from "../support/restored.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

onEachDatabase("what was seen of the database", (db) => {
  let parts: TestIssuing;
  let workspace: Workspace;
  let keeper: LastSeenKeeper;
  let logger: ReturnType<typeof testLogger>;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    await db.database.transaction((stores) => signFirstCrl(stores, parts, parts.codec, parts.issuer));
    workspace = await testWorkspace();
    logger = testLogger();
    keeper = new LastSeenKeeper(workspace.path, logger);
  });

  const newest = async () => {
    const change = await db.database.changes.newest();
    if (!change) throw new Error("nothing was changed yet");
    return change;
  };
  const change = async () => {
    await freshAccount(parts);
    return newest();
  };
  const written = () => readLastSeen(workspace.path);
  const required = () => requireSameHistory(db.database, written());
  const refusedFor = async (fault: string) => {
    await expectRefusal(required(), "STATE_WENT_BACK");
    await expect(required()).rejects.toThrow(fault);
  };

  test("is on record still when the database has gone on", async () => {
    await required(); // nothing was seen
    keeper.reset(await lastSeenOf(db.database));
    await required();
    await change();
    await required();
  });

  test("shows that the last change is lost, also when there is another one of its number", async () => {
    const restore = await backUp(db);
    const lost = await change();
    keeper.reset(await lastSeenOf(db.database));
    await restore();
    await refusedFor(
      `its last change is ${String(lost.sequence - 1)}, but ${String(lost.sequence)} was seen`,
    );
    expect((await change()).sequence).toBe(lost.sequence);
    await refusedFor(`its change ${String(lost.sequence)} is another one than was seen`);
    await change();
    await refusedFor(`its change ${String(lost.sequence)} is another one than was seen`);
  });

  test("shows that a CRL is lost", async () => {
    const { id } = parts.issuer;
    const { mark, crls } = await lastSeenOf(db.database);
    keeper.reset({ mark, crls: { ...crls, [id]: 7 } });
    await refusedFor(`CRL 1 is the last of ${id}, but 7 was served`);
  });

  test("an older state is accepted with no token open, all CRL numbers unused, and a change that says so", async () => {
    const account = await freshAccount(parts);
    const [open, used, revoked] = [
      await freshToken(parts, account),
      await freshToken(parts, account),
      await freshToken(parts, account),
    ];
    const expired = await freshToken(parts, account, { ttl: MINUTE });
    await enrolRecord(parts, { token: used.token, csr: await makeCsr() });
    await db.database.tokens.revoke(revoked.id, 1);
    parts.clock.advance(2 * MINUTE);
    const { id } = parts.issuer;
    const before = await newest();
    const seen = { mark: { sequence: 4711, digest: "ab".repeat(32) }, crls: { [id]: 9 } };

    const accepted = await acceptOlderState(db.database, { ...parts, actor: "cli:tester" }, seen);
    expect(accepted.tokens).toBe(1);
    const now = parts.clock.now();
    const standing = async ({ id: own }: { id: string }) => {
      const token = await db.database.tokens.byId(own);
      return token && tokenStatus(token, now);
    };
    expect(await Promise.all([open, used, revoked, expired].map(standing))).toEqual([
      ...["revoked", "used", "revoked"],
      "expired",
    ]);
    expect((await db.database.tokens.byId(revoked.id))?.revokedAt).toBe(1);
    const [first, ...others] = await db.database.changes.after(before.sequence, 10);
    expect(first).toMatchObject({
      ...{ action: "state.accept", actor: "cli:tester", time: now },
      detail: { last: before.sequence, seen: 4711, tokens: 1 },
    });
    expect(others).toMatchObject([{ action: "token.revoke", subject: open.id, actor: "cli:tester" }]);

    const publisher = new CrlPublisher({
      ...{ ...parts, newCrlBuilder: crlBuilder, issuers: () => [parts.issuer], logger },
    });
    await publisher.start();
    await publisher.stop();
    const next = publisher.latest(id);
    expect(next?.number).toBe((accepted.crls[id] ?? 0) + 1);
    expect(next?.number).toBeGreaterThan(9);
    expect(next?.base?.number).toBe(next?.number);
  });

  test("an acceptance that fails changes nothing", async () => {
    await freshToken(parts, await freshAccount(parts));
    const before = await db.dump();
    const broken: typeof db.database = {
      ...db.database,
      transaction: (work) =>
        db.database.transaction(async (stores) => {
          await work(stores);
          throw new Error("killed");
        }),
    };
    await expect(acceptOlderState(broken, parts, undefined)).rejects.toThrow("killed");
    expect(await db.dump()).toEqual(before);
  });

  test("is written a second after the first change of several, before a CRL is served, and at the end", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const [one, two] = [await change(), await change()];
      keeper.onChanges([one]);
      expect(written()).toBeUndefined();
      vi.advanceTimersByTime(SECOND - 1);
      keeper.onChanges([two]);
      expect(written()).toBeUndefined();
      vi.advanceTimersByTime(1);
      expect(written()).toEqual({ mark: markOf(two), crls: {} });
      expect(statSync(workspace.file("last-seen.json")).mode & 0o777).toBe(0o600);

      const { id: issuerId } = parts.issuer;
      keeper.onCrl({ issuerId, number: 5 } as never);
      expect(written()).toEqual({ mark: markOf(two), crls: { [issuerId]: 5 } });
      keeper.onCrl({ issuerId, number: 4 } as never);
      expect(written()?.crls).toEqual({ [issuerId]: 5 });

      const three = await change();
      keeper.onChanges([three]);
      keeper.stop();
      expect(written()?.mark).toEqual(markOf(three));
      // Another server on this home that is behind.
      const other = new LastSeenKeeper(workspace.path, logger);
      other.onChanges([one]);
      other.onCrl({ issuerId, number: 3 } as never);
      other.stop();
      expect(written()).toEqual({ mark: markOf(three), crls: { [issuerId]: 5 } });
    } finally {
      vi.useRealTimers();
    }
  });

  test("stays what it was when the database goes back under a running server, until it is back", async () => {
    const restore = await backUp(db);
    const lost = await change();
    keeper.onChanges([lost]);
    const restoreLost = await backUp(db);
    await restore();
    await keeper.onWentBack(db.database);
    expect(logger.lines).toMatchObject([{ level: "error", fields: { seen: lost.sequence } }]);
    await change();
    keeper.onChanges([await change()]);
    keeper.stop();
    expect(written()?.mark).toEqual(markOf(lost));
    await refusedFor("is another one than was seen");
    await restoreLost();
    await keeper.onWentBack(db.database);
    const later = await change();
    keeper.onChanges([later]);
    keeper.stop();
    expect(written()?.mark).toEqual(markOf(later));
    await required();
  });

  test("is refused when it is damaged, for nobody knows what it said", () => {
    keeper.reset({ mark: { sequence: 3, digest: "ab".repeat(32) }, crls: { ab: 1 } as never });
    const path = workspace.file("last-seen.json");
    const text = readFileSync(path, "utf8");
    for (const damaged of ["", text.slice(0, 30), text.replace("3", "-3"), text.replace("crls", "crl")]) {
      writeFileSync(path, damaged);
      expect(written).toThrow(/is damaged/);
    }
  });
});
