import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { IssuerId } from "../../src/domain/identifiers.ts";
import type { CrlRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, expectRefusal, makeIssuer, recordIssuer } from "../support/issuing.ts";
import { putIssuer } from "./records.ts";

function crl(issuerId: IssuerId, number: number): CrlRecord {
  const der = randomBytes(500);
  const point = (at: number) => ({ number: at, at: START + at, basis: at + 3, floor: START - at });
  return {
    ...{ issuerId, number, thisUpdate: START + number, nextUpdate: START + HOUR, basis: number + 3, der },
    ...{ scheduled: point(number), base: point(number - 1), delta: randomBytes(50) },
  };
}

/** One that says how long it is, as all do: so the lack of the last piece is seen. */
function inPieces(issuerId: IssuerId, number: number): CrlRecord {
  const der = Buffer.concat([Buffer.of(0x30, 0x82, 900 >> 8, 900 & 0xff), randomBytes(900)]);
  return { ...crl(issuerId, number), der };
}

onEachDatabase("issuers and CRLs", (db) => {
  test("issuers come back with their role and certificate, once each", async () => {
    const [root, issuing] = [await makeIssuer("Root"), await makeIssuer("Issuing")];
    await recordIssuer(db.database, root, "root");
    await recordIssuer(db.database, issuing);
    const found = await db.database.issuers.list();
    const roles = found.map(({ id, role }) => [id, role]);
    expect(roles.sort()).toEqual(
      [
        [root.id, "root"],
        [issuing.id, "issuing"],
      ].sort(),
    );
    const der = found.find(({ id }) => id === root.id)?.der;
    expect(Buffer.from(der ?? []).equals(root.der)).toBe(true);
    await expect(recordIssuer(db.database, root, "root")).rejects.toThrow(/unique/i);
  });

  test("an issuer without a CRL has none", async () => {
    expect(await db.database.crls.latest(await putIssuer(db.database))).toBeUndefined();
  });

  test("a new CRL takes the place of the one before, of its own issuer only", async () => {
    const { crls } = db.database;
    const [issuer, other] = [await putIssuer(db.database), await putIssuer(db.database)];
    const [first, second, theirs] = [crl(issuer, 1), crl(issuer, 2), crl(other, 1)];
    await crls.replace(first);
    expect(await crls.latest(issuer)).toEqual(first);
    await crls.replace(theirs);
    await crls.replace(second);
    expect(await crls.latest(issuer)).toEqual(second);
    expect(await crls.latest(other)).toEqual(theirs);
    const rows = await db.query(`SELECT number FROM crls WHERE issuer_id = '${issuer}'`);
    expect(rows.map(({ number }) => Number(number))).toEqual([2]);
  });

  test("a number in use is refused", async () => {
    const issuer = await putIssuer(db.database);
    const first = crl(issuer, 1);
    await db.database.crls.replace(first);
    await expect(db.database.crls.replace(crl(issuer, 1))).rejects.toThrow();
    expect(await db.database.crls.latest(issuer)).toEqual(first);
  });

  test("a number used before the newest one is refused too", async () => {
    const issuer = await putIssuer(db.database);
    for (const number of [1, 2]) await db.database.crls.replace(crl(issuer, number));
    await expect(db.database.crls.replace(crl(issuer, 1))).rejects.toThrow();
  });

  test("a large CRL comes in pieces, which go when another takes its place or its number", async () => {
    const { crls } = db.database;
    const issuer = await putIssuer(db.database);
    const [large, lost, next] = [inPieces(issuer, 1), inPieces(issuer, 1), crl(issuer, 2)];
    const [first, second] = [large.der.subarray(0, 300), large.der.subarray(300)];
    await crls.stage(large, "won", 1, second);
    await crls.stage(large, "won", 0, first);
    await crls.stage(lost, "lost", 0, lost.der);
    expect(await crls.unstage(issuer)).toBe(false); // either may still be taken up
    await crls.replace(large, "won");
    expect(await crls.latest(issuer)).toEqual(large);
    expect(await crls.unstage(issuer)).toBe(true);
    expect(await crls.unstage(issuer)).toBe(false);
    expect(await crls.latest(issuer)).toEqual(large);
    await crls.replace(next);
    while (await crls.unstage(issuer));
    expect(await crls.latest(issuer)).toEqual(next);
    expect(await db.query(`SELECT * FROM crl_chunks WHERE issuer_id = '${issuer}'`)).toEqual([]);
  });

  test.each([[0], [1], [2]])(
    "a large CRL whose piece %i is missing is damaged, and the next one is good",
    async (gone) => {
      const { crls } = db.database;
      const issuer = await putIssuer(db.database);
      const large = inPieces(issuer, 7);
      const staging = `lacks ${String(gone)}`;
      for (const position of [0, 1, 2]) {
        const piece = large.der.subarray(position * 300, position === 2 ? undefined : (position + 1) * 300);
        if (position !== gone) await crls.stage(large, staging, position, piece);
      }
      await crls.replace(large, staging);
      const message = `CRL 7 of ${issuer} is damaged: octets are missing in the database. 'countersign crl publish' makes the next one.`;
      await expectRefusal(crls.latest(issuer), "CRL_INVALID", message);
      expect((await crls.head(issuer))?.number).toBe(7);
      const next = crl(issuer, 8);
      await crls.replace(next);
      expect(await crls.latest(issuer)).toEqual(next);
    },
  );
});
