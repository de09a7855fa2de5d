import { LONGEST_AFTER_EXPIRY } from "../../src/domain/renewal.ts";
import { expect, test } from "vitest";
import { type Fingerprint, fingerprintOf, sha256Hex } from "../../src/domain/identifiers.ts";
import type { FulfilledRenewal, NewRenewal } from "../../src/domain/renewal.ts";
import { HOUR } from "../../src/domain/time.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIssuer, someAccount } from "./records.ts";

onEachDatabase("the store of renewals", (db) => {
  const put = async (count: number): Promise<Fingerprint[]> => {
    const issuer = await putIssuer(db.database);
    const account = await db.database.accounts.insert(someAccount());
    const made = [];
    for (let i = 0; i < count; i++) made.push(await putCertificate(db.database, issuer, account));
    return made.map(({ fingerprint }) => fingerprint);
  };
  const bound = (predecessor: Fingerprint, line = predecessor): NewRenewal => {
    return { predecessor, csrHash: sha256Hex(predecessor), line };
  };
  const done = (predecessor: Fingerprint, successor: Fingerprint, retireAt = START): FulfilledRenewal => {
    return { predecessor, successor, renewedAt: START - 5, retireAt, endsAt: START + HOUR };
  };
  const unknown = fingerprintOf(Buffer.from("unknown"));
  /** A line: each renewed to the next. */
  const line = async (count: number, retireAt = START): Promise<Fingerprint[]> => {
    const members = await put(count);
    const [first = unknown] = members;
    const { renewals } = db.database;
    for (const [index, successor] of members.entries()) {
      const predecessor = members[index - 1];
      if (predecessor === undefined) continue;
      await renewals.bind([bound(predecessor, first)]);
      await renewals.fulfil([done(predecessor, successor, retireAt)]);
    }
    return members;
  };

  test("gives a renewal by its predecessor, bound and then fulfilled, and by its successor", async () => {
    const { renewals } = db.database;
    const [one = unknown, two = unknown] = await put(2);
    await renewals.bind([bound(one)]);
    const nothing = { successor: undefined, renewedAt: undefined, retireAt: undefined, retiredAt: undefined };
    expect(await renewals.byPredecessors([one, unknown])).toEqual([{ ...bound(one), ...nothing }]);
    expect(await renewals.bySuccessors([two])).toEqual([]);
    await renewals.fulfil([done(one, two, START + HOUR)]);
    const fulfilled = {
      ...{
        ...bound(one),
        successor: two,
        renewedAt: START - 5,
        retireAt: START + HOUR,
        retiredAt: undefined,
      },
    };
    expect(await renewals.byPredecessors([one])).toEqual([fulfilled]);
    expect(await renewals.bySuccessors([two, one])).toEqual([fulfilled]);
    await renewals.retire([one], START + HOUR);
    expect(await renewals.byPredecessors([one])).toEqual([{ ...fulfilled, retiredAt: START + HOUR }]);
  });

  test("renews each once: not twice, not to what another was renewed to, not what is not bound", async () => {
    const { renewals } = db.database;
    const [one = unknown, two = unknown, three = unknown] = await put(3);
    await renewals.bind([bound(one), bound(three)]);
    await renewals.fulfil([done(one, two)]);
    const before = await db.dump();
    await expect(renewals.bind([bound(one)])).rejects.toThrow();
    await expect(renewals.fulfil([done(one, three)])).rejects.toThrow("was renewed already");
    await expect(renewals.fulfil([done(three, two)])).rejects.toThrow();
    await expect(renewals.fulfil([done(unknown, one)])).rejects.toThrow("never bound");
    expect(await db.dump()).toEqual(before);
  });

  test("tells what is due, the longest first, and when the next is", async () => {
    const { renewals, certificates } = db.database;
    const now = START - HOUR; // before what other tests have
    expect(await renewals.due(now, 10)).toEqual([]);
    const [a = unknown] = await line(2, now);
    const [b = unknown] = await line(2, now - 1);
    const [c = unknown] = await line(2, now + 7);
    const [held = unknown] = await line(2, now - 2);
    const reason = { reason: undefined, invalidityAt: undefined, note: undefined };
    await certificates.setStatus([held], { status: "suspended", statusAt: now, statusBy: "test", ...reason });
    const dueOf = async (limit: number) =>
      (await renewals.due(now, limit)).map(({ predecessor }) => predecessor);
    expect(await dueOf(10)).toEqual([b, a]);
    expect(await dueOf(1)).toEqual([b]);
    expect(await renewals.nextDue(now)).toBe(now + 7);
    await renewals.retire([a, b], now);
    expect(await dueOf(10)).toEqual([]);
    expect(await renewals.nextDue(now + 7)).toBe(START);
    await renewals.retire([c], now);
    const held1 = await certificates.byFingerprint(held);
    expect((await renewals.due(held1?.notAfter ?? 0, 100)).map(({ predecessor }) => predecessor)).toContain(
      held,
    );
  });

  test("tells which credentials of a line are active, and not of another's", async () => {
    const { renewals, certificates } = db.database;
    const [one = unknown, two = unknown, three = unknown] = await line(3);
    await line(2);
    const active = async (now = START) => (await renewals.activeOfLine(one, now)).sort();
    expect(await active()).toEqual([one, two, three].sort());
    const reason = { reason: undefined, invalidityAt: undefined, note: undefined };
    await certificates.setStatus([two], {
      status: "suspended",
      statusAt: START,
      statusBy: "test",
      ...reason,
    });
    expect(await active()).toEqual([one, three].sort());
    const end = (await certificates.byFingerprint(one))?.notAfter ?? 0;
    // What has ended, and was not renewed, may come to life again; also while that is under way.
    expect(await active(end)).toEqual([three]);
    await renewals.bind([bound(three, one)]);
    expect(await active(end)).toEqual([three]);
    expect(await active(end + LONGEST_AFTER_EXPIRY)).toEqual([]);
    expect(await renewals.suspendedOfLine(one, START)).toEqual([two]);
    expect((await renewals.activeSuccessors([one], START)).sort()).toEqual([three]);
    expect(await renewals.activeSuccessors([three], START)).toEqual([]);
    expect(await renewals.activeOfLine(unknown, START)).toEqual([]);
    expect((await renewals.successorsInLine(one)).sort()).toEqual([two, three].sort());
    expect(await renewals.successorsInLine(two)).toEqual([]);
  });

  test("takes more than one statement holds", async () => {
    const { renewals } = db.database;
    const many = Array.from({ length: 1500 }, (_, i) => fingerprintOf(Buffer.from(`many ${String(i)}`)));
    await renewals.bind(many.map((one) => bound(one)));
    expect(await renewals.byPredecessors(many)).toHaveLength(1500);
    await renewals.retire(many, START);
    const found = await renewals.byPredecessors(many);
    expect(found.every(({ retiredAt }) => retiredAt === START)).toBe(true);
  });
});
