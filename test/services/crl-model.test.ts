import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Serial } from "../../src/domain/identifiers.ts";
import { type CertificateRecord, type CrlEntry, type CrlRecord } from "../../src/domain/records.ts";
import { HOLD, REMOVED } from "../../src/domain/revocation.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { CrlMaker } from "../../src/services/crl-maker.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { CrlList } from "../../src/x509/crl-list.ts";
import { entriesIn } from "../support/crls.ts";
import { onEachDatabase } from "../support/databases.ts";
import { type TestIssuing, freshAccount, makeIssuing } from "../support/issuing.ts";
import { putCertificate } from "../storage/records.ts";

const SEEDS = [1, 2, 3, 4];
const STEPS = 60;

/** The same numbers at each run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = createHash("sha256").update(String(state)).digest().readUInt32BE(0);
    return state % sides;
  };
}

/** What the records say that a CRL must tell. */
async function expected(parts: TestIssuing, floor: number): Promise<Map<Serial, number | undefined>> {
  const told = new Map<Serial, number | undefined>();
  const accounts = new Map((await parts.database.accounts.list()).map((account) => [account.id, account]));
  const all = await parts.database.certificates.list({ issuer: parts.issuer.id });
  for (const { serial, status, reason, accountId, notAfter } of all) {
    const isHeld = status === "suspended" || accounts.get(accountId ?? 0)?.status === "suspended";
    if (notAfter < floor) continue;
    if (status === "revoked") told.set(serial, reason === "superseded" ? 4 : undefined);
    else if (isHeld) told.set(serial, HOLD);
  }
  return told;
}

const reasons = (entries: readonly CrlEntry[]): Map<Serial, number | undefined> =>
  new Map(entries.map(({ serial, reason }) => [serial, reason]));

/** As RFC 5280 §5.2.4 has a relying party do it. */
function combined(base: readonly CrlEntry[], delta: readonly CrlEntry[]): Map<Serial, number | undefined> {
  const list = reasons(base);
  for (const { serial, reason } of delta) {
    if (reason === REMOVED) list.delete(serial);
    else list.set(serial, reason);
  }
  return list;
}

onEachDatabase("CRLs and deltas tell what the records tell", (db) => {
  test.each(SEEDS)("whatever happens, seed %i", async (seed) => {
    const parts = await makeIssuing(db.database);
    const { clock, issuer } = parts;
    const roll = dice(seed);
    const accounts = [await freshAccount(parts), await freshAccount(parts)];
    const certificates: CertificateRecord[] = [];
    const published: CrlRecord[] = [];
    const newMaker = (): CrlMaker =>
      new CrlMaker({ ...parts, newCrlBuilder: (isLarge) => crlBuilder(isLarge || seed === 1) });
    let maker = newMaker();
    const put = async (): Promise<void> => {
      const serial = (roll(2) === 0 ? "80" : "1") + clock.now().toString(16) + String(certificates.length);
      const notAfter = clock.now() + (1 + roll(30)) * HOUR;
      const as = { serial: serial as Serial, notAfter };
      certificates.push(await putCertificate(db.database, issuer.id, accounts[roll(2)], as));
    };
    const some = (): CertificateRecord => {
      const found = certificates[roll(certificates.length)];
      if (!found) throw new Error("none yet");
      return found;
    };
    const unlessRefused = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined);
    const publish = async (): Promise<void> => {
      const made = await maker.publish(parts, issuer);
      if (!made) throw new Error("not published");
      published.push(made.crl);
      await check(made.crl);
    };
    const check = async (crl: CrlRecord): Promise<void> => {
      const told = await expected(parts, crl.scheduled?.floor ?? 0);
      const full = entriesIn(crl.der);
      expect(reasons(full)).toEqual(told);
      expect(crl.number).toBe(published.length);
      const delta = entriesIn(crl.delta);
      // Whoever has any full CRL from the base on may use it. What has expired may be on the old one still.
      for (const earlier of published) {
        if (earlier.number < (crl.base?.number ?? Infinity) || earlier.number >= crl.number) continue;
        const whole = combined(entriesIn(earlier.der), delta);
        for (const { serial, notAfter } of certificates)
          if (notAfter < (crl.scheduled?.floor ?? 0) && whole.get(serial) !== HOLD) whole.delete(serial);
        expect(whole).toEqual(told);
      }
      const fresh = new CrlList();
      const base = crl.base ?? crl.scheduled;
      if (!base) throw new Error("no base");
      for await (const page of db.database.certificates.crlPages(issuer.id, { floor: base.floor }))
        fresh.put(page);
      fresh.expire(crl.scheduled?.floor ?? 0);
      // Octet for octet what a list is that was never changed.
      expect(Buffer.from(crl.der).includes(Buffer.concat(fresh.full().parts))).toBe(true);
      expect(fresh.full().count).toBe(full.length);
    };
    for (let i = 0; i < 12; i++) await put();
    await publish();
    const steps: readonly (() => Promise<unknown>)[] = [
      put,
      () => unlessRefused(revoke(db.database, parts, some(), roll(2) === 0 ? "superseded" : "unspecified")),
      () => unlessRefused(suspend(db.database, parts, some())),
      () => unlessRefused(suspend(db.database, parts, some())),
      () => unlessRefused(resume(db.database, parts, some())),
      () => unlessRefused(resume(db.database, parts, some())),
      () => unlessRefused(setAccountStatus(db.database, parts, accounts[0]?.slug as never, "suspended")),
      () => unlessRefused(setAccountStatus(db.database, parts, accounts[0]?.slug as never, "active")),
      publish,
      publish,
      publish,
      async () => {
        clock.advance(roll(9) * HOUR + MINUTE);
        await Promise.resolve();
      },
      async () => {
        await maker.close();
        maker = newMaker();
      },
    ];
    for (let step = 0; step < STEPS; step++) await steps[roll(steps.length)]?.();
    await publish();
    await maker.close();
    expect(published.map(({ number }) => number)).toEqual(published.map((_, index) => index + 1));
    expect(published.some(({ delta }) => entriesIn(delta).some(({ reason }) => reason === REMOVED))).toBe(
      true,
    );
  });
});
