import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CertificateRecord, CrlRecord } from "../../src/domain/records.ts";
import { REMOVED } from "../../src/domain/revocation.ts";
import { changeGroup } from "../../src/services/change-many.ts";
import { CrlMaker } from "../../src/services/crl-maker.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type JudgedCrl, byEntries, byRecords, combined, expectSame, judgedCrl } from "../support/crls.ts";
import { onEachDatabase } from "../support/databases.ts";
import { type TestIssuing, freshAccount, makeIssuing } from "../support/issuing.ts";
import { revokedRows } from "../support/revoked-rows.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";
import { putCertificate } from "../storage/records.ts";

/** What is stored in one piece at most: see `CrlMaker`. */
const PIECE = 1 << 18;

onEachDatabase("a large CRL", (db) => {
  let parts: TestIssuing;
  let workspace: Workspace;
  let ca: string;
  let maker: CrlMaker;
  /** Each list that was begun: whether it was to be large. */
  let begun: boolean[];
  let put = 0;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    workspace = await makeWorkspace();
    ca = workspace.file("ca.pem");
    writeFileSync(ca, toPem("CERTIFICATE", parts.issuer.der));
    begun = [];
    maker = new CrlMaker({
      ...parts,
      newCrlBuilder: (isLarge) => {
        begun.push(isLarge);
        return crlBuilder(isLarge);
      },
    });
  });
  afterEach(async () => {
    await maker.close();
    await workspace.remove();
  });

  /** Revoked long ago, with numbers around the middle of `putSome`. */
  const putMany = async (count: number): Promise<void> => {
    const rows = revokedRows(db.kind, { count, after: put, issuer: parts.issuer.id });
    put += count;
    for (const statement of rows) await db.raw.raw(statement);
  };
  /** Active, of an account of their own: at the beginning of the list, in its middle and at its end. */
  const putSome = async (count: number): Promise<CertificateRecord[]> => {
    const account = await freshAccount(parts);
    const middle = `5${(put + 2000).toString(16).padStart(11, "0")}c4`;
    const places = ["1", middle, "8"];
    const some: CertificateRecord[] = [];
    for (let i = 0; i < count; i++) {
      const random = i.toString(16).padStart(4, "0") + String(account.id).padStart(8, "0");
      const serial = `${places[i % places.length] ?? ""}${random}`;
      some.push(
        await putCertificate(db.database, parts.issuer.id, account, {
          serial: serial as CertificateRecord["serial"],
        }),
      );
    }
    return some;
  };
  const publish = async (): Promise<CrlRecord> => {
    const made = await maker.publish(parts, parts.issuer);
    if (!made) throw new Error("it was not published");
    return made.crl;
  };
  const recorded = async () =>
    byRecords(
      await db.query(
        `SELECT serial, status, status_at, reason FROM certificates WHERE issuer_id = '${parts.issuer.id}'`,
      ),
    );
  /** By OpenSSL it is signed, and has everything that is on record, nothing twice, in order. */
  const expectRight = async (crl: CrlRecord): Promise<JudgedCrl> => {
    const judged = await judgedCrl(crl.der, ca);
    expect(judged).toMatchObject({ number: crl.number, base: undefined });
    const serials = judged.entries.map(({ serial }) => serial);
    expect(serials).toEqual([...new Set(serials)].sort());
    expectSame(byEntries(judged.entries), await recorded());
    return judged;
  };
  /** With the delta, whoever has the one before knows what is on record. */
  const expectRightWith = async (before: JudgedCrl, crl: CrlRecord): Promise<JudgedCrl> => {
    const delta = await judgedCrl(crl.delta, ca);
    expect(delta.number).toBe(crl.number);
    expect(delta.base).toBeLessThanOrEqual(before.number);
    expectSame(combined(before.entries, delta.entries), await recorded());
    return delta;
  };

  test("grows out of this thread into one of its own, and goes on being right", async () => {
    const some = await putSome(900);
    const [first, held, freed] = some;
    if (!first?.account || !held || !freed) throw new Error("there are 900, of an account");
    await putMany(4400);
    await suspend(db.database, parts, freed);
    const before = await expectRight(await publish());
    expect(before.entries).toHaveLength(4401);
    expect(begun).toEqual([false]);

    // Real revocations, each with its change.
    await revoke(db.database, parts, first, "keyCompromise");
    await suspend(db.database, parts, held);
    await resume(db.database, parts, freed);
    parts.clock.advance(5000);
    const small = await publish();
    await expectRightWith(before, small);
    expect(begun).toEqual([false]);

    const aim = { status: "revoked", reason: "superseded" } as const;
    expect(await changeGroup(db.database, parts, { account: first.account }, aim)).toMatchObject({
      changed: 899,
    });
    const outgrown = await publish();
    await expectRight(outgrown);
    await expectRightWith(before, outgrown);
    expect(begun).toEqual([false]); // it was too late for this one

    const [last, ...more] = await putSome(3);
    if (!last) throw new Error("there are three");
    await suspend(db.database, parts, last);
    const inThread = await publish();
    expect(begun.at(-1)).toBe(true);
    const then = await expectRight(inThread);
    expect(then.entries).toHaveLength(5301);
    await expectRightWith(before, inThread);

    const count = begun.length;
    await resume(db.database, parts, last);
    for (const one of more) await revoke(db.database, parts, one, "affiliationChanged");
    const after = await publish();
    await expectRight(after);
    const delta = await expectRightWith(before, after);
    const removed = delta.entries.filter(({ reason }) => reason === REMOVED);
    expect(removed).toMatchObject([{ serial: last.serial, at: after.thisUpdate }]);
    await expectRightWith(then, after);
    await expectRight(await publish());
    expect(begun).toHaveLength(count); // the same list all the while
  });

  if (db.kind !== "SQLite") return; // pieces on PostgreSQL are in `killed-while-publishing`
  test("of more than 256 KiB is stored in pieces, and is the same when it is read", async () => {
    const some = await putSome(9);
    const [held] = some;
    if (!held) throw new Error("there are nine");
    await putMany(6_000);
    const first = await publish();
    expect(first.der.length).toBeGreaterThan(PIECE);
    const pieces = async (): Promise<number[]> =>
      (
        await db.query(
          `SELECT length(octets) AS octets FROM crl_chunks WHERE issuer_id = '${parts.issuer.id}' ORDER BY number, position`,
        )
      ).map(({ octets }) => Number(octets));
    expect(await pieces()).toEqual([PIECE, first.der.length - PIECE]);
    await suspend(db.database, parts, held);
    const second = await publish();
    for (const one of some.slice(1)) await revoke(db.database, parts, one, "privilegeWithdrawn");
    await resume(db.database, parts, held);
    const third = await publish();

    const other = await db.open(); // as another server reads it
    const read = await other.crls.latest(parts.issuer.id);
    expect(Buffer.from(read?.der ?? []).equals(Buffer.from(third.der))).toBe(true);
    expect(read).toMatchObject({ number: 3, delta: Buffer.from(third.delta ?? []) });
    const judged = await expectRight(third);
    expect(judged.entries).toHaveLength(6_008);
    const delta = await expectRightWith(await judgedCrl(second.der, ca), third);
    expect(delta.entries).toHaveLength(9);

    await maker.tidy(parts.issuer.id);
    expect(await pieces()).toEqual([PIECE, third.der.length - PIECE]);
  });
});
