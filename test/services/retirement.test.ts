import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { Retirement, retireDue } from "../../src/services/retirement.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { TestDatabase, onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { HeldTimers } from "../support/held-timers.ts";
import { clientProfile, makeCsr, testLogger } from "../support/issuing.ts";
import {
  OVERLAP,
  type Renewing,
  firstOfLine,
  lateProfile,
  makeRenewing,
  denied,
  renewAs,
  standingOf,
} from "../support/renewing.ts";

onEachDatabase("retirement", (db) => {
  let parts: Renewing;
  beforeAll(async () => {
    parts = await makeRenewing(db.database);
  });
  const renewed = async () => {
    const old = await firstOfLine(parts);
    return { old, successor: await renewAs(parts, old, await makeCsr()) };
  };
  const retire = () => retireDue(db.database, parts.clock);
  const retiredAt = async ({ fingerprint }: CertificateRecord) =>
    (await db.database.renewals.byPredecessors([fingerprint]))[0]?.retiredAt;

  test("revokes the old one as superseded once its overlap is over, by the system, and not the new one", async () => {
    const { old, successor } = await renewed();
    parts.clock.advance(OVERLAP - 1);
    expect(await retire()).toBe(0);
    expect(await standingOf(parts, old.fingerprint)).toBe("active");
    expect(await db.database.renewals.nextDue(parts.clock.now())).toBe(parts.clock.now() + 1);
    parts.clock.advance(1);
    const before = await db.database.changes.last();
    expect(await retire()).toBe(1);
    expect(await db.database.certificates.byFingerprint(old.fingerprint)).toMatchObject({
      ...{ status: "revoked", reason: "superseded", statusAt: parts.clock.now() },
      ...{ statusBy: "system", note: "retired after its renewal" },
    });
    expect(await standingOf(parts, successor.fingerprint)).toBe("active");
    expect(await db.database.changes.after(before, 5)).toMatchObject([
      {
        ...{ action: "certificate.revoke", subject: old.fingerprint, actor: "system" },
        detail: { reason: "superseded", account: old.account },
      },
    ]);
    expect(await retiredAt(old)).toBe(parts.clock.now());
    expect(await retire()).toBe(0);
  });

  test("just marks what has ended by itself, or was revoked otherwise", async () => {
    const [ended, taken] = [await firstOfLine(parts, { profile: lateProfile }), (await renewed()).old];
    await revoke(db.database, parts, taken, "keyCompromise");
    parts.clock.advance(24 * HOUR);
    await renewAs(parts, ended, await makeCsr(), { decision: denied(ended, "CERT_EXPIRED") });
    const before = await db.database.changes.last();
    expect(await retire()).toBe(2);
    expect(await db.database.changes.last()).toBe(before);
    expect(await standingOf(parts, ended.fingerprint)).toBe("active");
    expect(await standingOf(parts, taken.fingerprint)).toBe("revoked: keyCompromise");
    for (const each of [ended, taken]) expect(await retiredAt(each)).toBe(parts.clock.now());
  });

  test("leaves what is suspended to its admin, and retires it when it is resumed, or has ended", async () => {
    const { old } = await renewed();
    await suspend(db.database, parts, old);
    parts.clock.advance(OVERLAP);
    expect(await retire()).toBe(0);
    expect(await standingOf(parts, old.fingerprint)).toBe("suspended");
    await resume(db.database, parts, old);
    expect(await retire()).toBe(1);
    expect(await standingOf(parts, old.fingerprint)).toBe("revoked: superseded");

    const other = (await renewed()).old;
    await suspend(db.database, parts, other);
    parts.clock.advance(24 * HOUR);
    await retire();
    expect(await retiredAt(other)).toBe(parts.clock.now());
    expect(await standingOf(parts, other.fingerprint)).toBe("suspended");
  });

  test("by several servers at once happens once", async () => {
    const { old } = await renewed();
    parts.clock.advance(OVERLAP);
    const other = await db.open();
    const before = await db.database.changes.last();
    const counts = await Promise.all([
      retire(),
      retireDue(other, parts.clock),
      retireDue(other, parts.clock),
    ]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(1);
    expect(await db.database.changes.after(before, 5)).toMatchObject([{ subject: old.fingerprint }]);
  });
});

describe("a server's retirement", () => {
  const db = new TestDatabase("SQLite");
  const timers = new HeldTimers();
  const logger = testLogger();
  let parts: Renewing;
  let retirement: Retirement;
  /** Stands for the database, which may be gone. */
  let isGone = false;
  beforeAll(async () => {
    await db.create();
    parts = await makeRenewing(await db.open());
    const { renewals } = db.database;
    const due: typeof renewals.due = (...args) =>
      isGone ? Promise.reject(new Error("the database is gone")) : renewals.due(...args);
    const database = { ...db.database, renewals: { ...renewals, due } };
    retirement = new Retirement({ database, clock: parts.clock, logger });
    timers.hold();
  });
  afterAll(async () => {
    timers.release();
    await retirement.stop();
    await db.remove();
  });
  const renewed = async () => {
    const old = await firstOfLine(parts);
    await renewAs(parts, old, await makeCsr());
    return old;
  };
  const waitsFor = (delay: number) =>
    eventually(() => {
      expect(timers.holds(delay)).toBe(true);
    });
  const retires = ({ fingerprint }: CertificateRecord) =>
    eventually(async () => {
      expect(await standingOf(parts, fingerprint)).toBe("revoked: superseded");
    });

  test("begins with what became due while none ran, and waits for no longer than a minute", async () => {
    const old = await renewed();
    parts.clock.advance(OVERLAP);
    retirement.start();
    timers.pass(0);
    await retires(old);
    await waitsFor(MINUTE);
  });

  test("finds on record when the next one is due", async () => {
    const old = await renewed();
    parts.clock.advance(OVERLAP - 10_000);
    timers.pass(MINUTE);
    await waitsFor(10_000);
    parts.clock.advance(10_000);
    timers.pass(10_000);
    await retires(old);
    await waitsFor(MINUTE);
  });

  test("is told of a renewal, and of what is resumed, wherever that was", async () => {
    const profile = { ...clientProfile, renewal: { overlap: 20_000, afterExpiry: undefined } };
    const quick = { ...parts, profiles: () => new Map([[profile.name, profile]]) };
    const old = await firstOfLine(parts);
    const before = await db.database.changes.last();
    await renewAs(quick, old, await makeCsr());
    retirement.onChanges(await db.database.changes.after(before, 10));
    await waitsFor(20_000);
    await suspend(db.database, parts, old);
    parts.clock.advance(20_000);
    timers.pass(20_000);
    await waitsFor(MINUTE);
    const suspended = await db.database.changes.last();
    await resume(db.database, parts, old);
    retirement.onChanges(await db.database.changes.after(suspended, 10));
    await waitsFor(0);
    timers.pass(0);
    await retires(old);
    await waitsFor(MINUTE);
  });

  test("goes on after a fault, of which it tells once", async () => {
    const old = await renewed();
    parts.clock.advance(OVERLAP);
    isGone = true;
    timers.pass(MINUTE);
    await waitsFor(5000);
    timers.pass(5000);
    await waitsFor(5000);
    isGone = false;
    timers.pass(5000);
    await retires(old);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      "renewed credentials cannot be retired; tried again",
    ]);
  });
});
