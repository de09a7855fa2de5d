import { beforeAll, expect, test } from "vitest";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { carryOutOrders, changeGroup } from "../../src/services/change-many.ts";
import { blockKey } from "../../src/services/keys.ts";
import { revokeOwn } from "../../src/services/own-revocation.ts";
import { retireDue } from "../../src/services/retirement.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { expectRefusal, makeCsr } from "../support/issuing.ts";
import {
  OVERLAP,
  type Renewing,
  firstOfLine,
  makeRenewing,
  renewAs,
  standingOf,
} from "../support/renewing.ts";

type Line = readonly [CertificateRecord, CertificateRecord, CertificateRecord];

onEachDatabase("what came by renewal of a credential", (db) => {
  let parts: Renewing;
  beforeAll(async () => {
    parts = await makeRenewing(db.database);
  });
  const lineOf3 = async (): Promise<Line> => {
    const first = await firstOfLine(parts);
    const second = await renewAs(parts, first, await makeCsr());
    return [first, second, await renewAs(parts, second, await makeCsr())];
  };
  const standing = (line: readonly CertificateRecord[]) =>
    Promise.all(line.map(({ fingerprint }) => standingOf(parts, fingerprint)));
  const names = (certificates: readonly CertificateRecord[]) =>
    certificates.map(({ fingerprint }) => fingerprint).sort();

  type Act = (line: Line) => Promise<unknown>;
  const compromise: readonly (readonly [name: string, act: Act])[] = [
    ["an admin has revoked", ([first]) => revoke(db.database, parts, first, "keyCompromise")],
    [
      "has revoked itself",
      ([first]) => revokeOwn(db.database, parts.clock, first, first.fingerprint, "keyCompromise"),
    ],
    [
      "a list has ended",
      ([first]) =>
        carryOutOrders(db.database, parts, [
          { id: first, aim: { status: "revoked", reason: "keyCompromise" } },
        ]),
    ],
    ["lost its key, which was blocked,", ([first]) => blockKey(db.database, parts, first, "it leaked")],
  ];

  test.each(compromise)(
    "that %s as compromised is suspended, all the way down the line",
    async (_name, act) => {
      const [line, other] = [await lineOf3(), await lineOf3()];
      const before = await db.database.changes.last();
      const done = (await act(line)) as { suspended: readonly CertificateRecord[] | number };
      const [, ...after] = line;
      expect(typeof done.suspended === "number" ? done.suspended : names(done.suspended)).toEqual(
        typeof done.suspended === "number" ? 2 : names(after),
      );
      expect(await standing(line)).toEqual(["revoked: keyCompromise", "suspended", "suspended"]);
      expect(await standing(other)).toEqual(["active", "active", "active"]);
      const held = (await db.database.changes.after(before, 10)).filter(
        ({ action }) => action === "certificate.suspend",
      );
      expect(held.map(({ subject }) => subject).sort()).toEqual(names(after));
      expect((await db.database.certificates.byFingerprint(line[2].fingerprint))?.note).toBe(
        "it came by renewal of a certificate whose key is compromised: whoever has a copy may have renewed it",
      );
      await resume(db.database, parts, line[2]);
      expect(await standingOf(parts, line[2].fingerprint)).toBe("active");
    },
  );

  test("that was retired long since is suspended when its key is found to have leaked", async () => {
    const line = await lineOf3();
    parts.clock.advance(OVERLAP);
    while ((await retireDue(db.database, parts.clock)) > 0);
    await blockKey(db.database, parts, line[0], "it leaked");
    expect(await standing(line)).toEqual(["revoked: superseded", "revoked: superseded", "suspended"]);
    const before = await db.dump();
    await expectRefusal(blockKey(db.database, parts, line[0], "it leaked"), "STATE_UNCHANGED");
    expect(await db.dump()).toEqual(before);
  });

  test("goes on otherwise, and whoever ends it is told so", async () => {
    const line = await lineOf3();
    const [first, second, third] = line;
    const suspended = await suspend(db.database, parts, second);
    expect(names(suspended.successors)).toEqual([third.fingerprint]);
    const revoked = await revoke(db.database, parts, first, "superseded");
    expect(names(revoked.successors)).toEqual([third.fingerprint]);
    expect(revoked.suspended).toEqual([]);
    expect(await standing(line)).toEqual(["revoked: superseded", "suspended", "active"]);
    expect((await suspend(db.database, parts, third)).successors).toEqual([]);
  });

  test("is revoked with all the others of an account, and not counted as suspended", async () => {
    const line = await lineOf3();
    const group = { account: line[0].account as NonNullable<CertificateRecord["account"]> };
    const aim = { status: "revoked", reason: "keyCompromise" } as const;
    expect(await changeGroup(db.database, parts, group, aim)).toMatchObject({ changed: 3, suspended: 0 });
    expect(await standing(line)).toEqual(line.map(() => "revoked: keyCompromise"));
  });
});
