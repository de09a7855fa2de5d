import { beforeAll, beforeEach, expect, test } from "vitest";
import type { Fingerprint } from "../../src/domain/identifiers.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR, SECOND } from "../../src/domain/time.ts";
import type { CloneSign } from "../../src/services/clone-alarm.ts";
import { MARGIN, RetiredUse, type RetiredUseParts } from "../../src/services/retired-use.ts";
import { retireDue } from "../../src/services/retirement.ts";
import { revokeOwn } from "../../src/services/own-revocation.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { makeCsr, testLogger } from "../support/issuing.ts";
import {
  OVERLAP,
  type Renewing,
  firstOfLine,
  makeRenewing,
  renewAs,
  standingOf,
} from "../support/renewing.ts";

onEachDatabase("use of what was retired", (db) => {
  let parts: Renewing;
  const used = new Set<Fingerprint>();
  let lookUps: Fingerprint[] = [];
  let watch: RetiredUse;
  let alarms: CloneSign[] = [];
  beforeAll(async () => {
    parts = await makeRenewing(db.database);
  });
  const logger = testLogger();
  const watching = (database: RetiredUseParts["database"]): RetiredUse =>
    new RetiredUse({
      ...{ database, clock: parts.clock, logger },
      wasUsed: (fingerprint) => used.has(fingerprint),
      onAlarm: (sign) => alarms.push(sign),
    });
  beforeEach(() => {
    const { renewals } = db.database;
    const byPredecessors: typeof renewals.byPredecessors = (fingerprints) => {
      lookUps.push(...fingerprints);
      return renewals.byPredecessors(fingerprints);
    };
    [lookUps, alarms] = [[], []];
    watch = watching({ ...db.database, renewals: { ...renewals, byPredecessors } });
    parts.clock.advance(10 * SECOND); // what was found by others is forgotten
  });

  /** A credential that was renewed and retired, and the one that it was renewed to. */
  const retired = async (): Promise<{ old: CertificateRecord; successor: CertificateRecord }> => {
    const old = await firstOfLine(parts);
    const successor = await renewAs(parts, old, await makeCsr());
    parts.clock.advance(OVERLAP);
    await retireDue(db.database, parts.clock);
    parts.clock.advance(10 * SECOND);
    return { old, successor };
  };
  const present = async (
    { fingerprint }: Pick<CertificateRecord, "fingerprint">,
    began = parts.clock.now(),
  ): Promise<void> => {
    watch.saw({ fingerprint, began, address: "192.0.2.9" });
    await watch.stop();
  };

  const uses: readonly (readonly [name: string, (successor: CertificateRecord) => unknown])[] = [
    [
      "the database says so",
      ({ fingerprint, account = "" as never }) =>
        db.database.uses.add([
          { fingerprint, account, lastAt: 5, requests: 1, denials: 0, address: undefined, agent: undefined },
        ]),
    ],
    ["this process has let it through just now", ({ fingerprint }) => used.add(fingerprint)],
    ["it was renewed itself", async (successor) => renewAs(parts, successor, await makeCsr())],
  ];

  test.each(uses)("suspends its successor, once that was used: %s", async (_name, use) => {
    const { old, successor } = await retired();
    await present(old);
    expect(await standingOf(parts, successor.fingerprint)).toBe("active");
    await use(successor);
    parts.clock.advance(SECOND);
    const before = await db.database.changes.last();
    await present(old);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
    const { fingerprint, account } = old;
    const detail = { cause: "retired-used", fingerprint, account, address: "192.0.2.9" };
    expect((await db.database.changes.after(before, 1))[0]).toMatchObject({
      ...{ action: "credential.clone", subject: fingerprint, actor: "system", detail },
    });
    expect(alarms).toEqual([{ ...detail, line: fingerprint }]);
    expect((await db.database.certificates.byFingerprint(successor.fingerprint))?.note).toBe(
      `clone alarm: ${fingerprint} was used after it had been retired and its successor used, from 192.0.2.9; somebody may have a copy of its key`,
    );
  });

  test("of one that has ended by itself, and was renewed, is the same", async () => {
    const old = await firstOfLine(parts);
    parts.clock.advance(23.5 * HOUR);
    const successor = await renewAs(parts, old, await makeCsr());
    used.add(successor.fingerprint);
    parts.clock.advance(HOUR);
    await present(old);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
  });

  test("of one that has revoked itself after its renewal is the same: a thief may have", async () => {
    const old = await firstOfLine(parts);
    const successor = await renewAs(parts, old, await makeCsr());
    used.add(successor.fingerprint);
    await revokeOwn(db.database, parts.clock, old, old.fingerprint, "superseded");
    await present(old, parts.clock.now() + MARGIN);
    expect(await standingOf(parts, successor.fingerprint)).toBe("active");
    await present(old, parts.clock.now() + MARGIN + 1);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
  });

  test("with a successor that has ended, but may still be renewed, suspends it", async () => {
    const { old, successor } = await retired();
    used.add(successor.fingerprint);
    parts.clock.advance(89 * DAY);
    await present(old);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
  });

  test("with nothing left to suspend is told of all the same, once in a while", async () => {
    const { old, successor } = await retired();
    used.add(successor.fingerprint);
    await revoke(db.database, parts, successor, "superseded");
    const before = await db.database.changes.last();
    for (const wait of [0, SECOND, HOUR - 2 * SECOND]) {
      parts.clock.advance(wait);
      await present(old);
      expect(await db.database.changes.after(before, 10)).toMatchObject([{ action: "credential.clone" }]);
    }
    parts.clock.advance(SECOND);
    await present(old);
    expect(alarms).toHaveLength(2);
  });

  test("a call that was denied is no use of a successor", async () => {
    const { old, successor } = await retired();
    const { fingerprint, account = "" as never } = successor;
    const nothing = { lastAt: undefined, address: undefined, agent: undefined };
    await db.database.uses.add([{ fingerprint, account, requests: 1, denials: 1, ...nothing }]);
    await present(old);
    expect(await standingOf(parts, fingerprint)).toBe("active");
  });

  test("on a connection from before proves nothing; on one after it, it does at once", async () => {
    const { old, successor } = await retired();
    used.add(successor.fingerprint);
    const [renewal] = await db.database.renewals.byPredecessors([old.fingerprint]);
    const end = renewal?.retiredAt ?? 0;
    await present(old, end + MARGIN);
    await present(old, end - HOUR);
    expect(await standingOf(parts, successor.fingerprint)).toBe("active");
    expect(lookUps).toHaveLength(1); // what was found is believed for a while
    await present(old, end + MARGIN + 1);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
  });

  test.each([
    [
      "that was never renewed",
      async () => {
        const old = await firstOfLine(parts);
        await revoke(db.database, parts, old, "superseded");
        return { old, successor: old };
      },
    ],
    [
      "that an admin has revoked since its renewal",
      async () => {
        const old = await firstOfLine(parts);
        const successor = await renewAs(parts, old, await makeCsr());
        await revoke(db.database, parts, old, "superseded");
        return { old, successor };
      },
    ],
    [
      "that is suspended, and has ended",
      async () => {
        const old = await firstOfLine(parts);
        parts.clock.advance(20 * HOUR);
        const successor = await renewAs(parts, old, await makeCsr());
        await suspend(db.database, parts, old);
        parts.clock.advance(5 * HOUR);
        return { old, successor };
      },
    ],
  ] as const)("of one %s is nothing to do with copies", async (_name, make) => {
    const { old, successor } = await make();
    used.add(successor.fingerprint);
    parts.clock.advance(HOUR);
    const before = await db.dump();
    await present(old);
    expect(await db.dump()).toEqual(before);
  });

  test("alarms once, and again when an admin has resumed the line", async () => {
    const { old, successor } = await retired();
    used.add(successor.fingerprint);
    await present(old);
    const raised = await db.database.changes.last();
    parts.clock.advance(SECOND);
    await present(old);
    expect(await db.database.changes.last()).toBe(raised);
    expect(alarms).toHaveLength(1);
    await resume(db.database, parts, successor);
    parts.clock.advance(SECOND);
    await present(old);
    expect(await standingOf(parts, successor.fingerprint)).toBe("suspended");
    expect(alarms).toHaveLength(2);
  });

  test("is looked up once at a time, once a second, and so often in all", async () => {
    const fingerprints = Array.from(
      { length: 200 },
      (_, i) => i.toString(16).padStart(64, "0") as Fingerprint,
    );
    const began = parts.clock.now();
    const one = "f".repeat(64) as Fingerprint;
    for (let i = 0; i < 5; i++) watch.saw({ fingerprint: one, began, address: undefined });
    await watch.stop();
    expect(lookUps).toEqual([one]);
    lookUps = [];
    parts.clock.advance(SECOND);
    for (let round = 0; round < 3; round++)
      for (const fingerprint of fingerprints) watch.saw({ fingerprint, began, address: undefined });
    await watch.stop();
    for (const fingerprint of fingerprints.slice(0, 50))
      watch.saw({ fingerprint, began, address: undefined });
    await watch.stop();
    expect(lookUps).toEqual(fingerprints.slice(0, 50));
    parts.clock.advance(SECOND);
    for (const fingerprint of fingerprints.slice(0, 1)) watch.saw({ fingerprint, began, address: undefined });
    await watch.stop();
    expect(lookUps).toHaveLength(51);
  });

  test("that cannot be looked up is told of in the log, and throws nothing", async () => {
    const gone = () => Promise.reject(new Error("the database is gone"));
    const broken = watching({ ...db.database, renewals: { ...db.database.renewals, byPredecessors: gone } });
    broken.saw({ fingerprint: "0".repeat(64) as Fingerprint, began: 0, address: undefined });
    await broken.stop();
    expect(logger.lines).toMatchObject([
      { level: "warn", message: "the use of a credential that has ended cannot be looked at" },
    ]);
  });
});
