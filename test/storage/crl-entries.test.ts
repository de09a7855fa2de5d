import { expect, test } from "vitest";
import type { IssuerId } from "../../src/domain/identifiers.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOLD, type RevocationReason, revocationReasons } from "../../src/domain/revocation.ts";
import { HOUR } from "../../src/domain/time.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIssuer, someAccount } from "./records.ts";

onEachDatabase("CRL entries", (db) => {
  const putAccount = () => db.database.accounts.insert(someAccount());
  const entries = (issuer: IssuerId, expiredBefore = START) =>
    db.database.certificates.crlEntries(issuer, expiredBefore);
  const revoked = (at: number, reason: RevocationReason = "keyCompromise"): Partial<CertificateRecord> => ({
    status: "revoked",
    statusAt: at,
    reason,
  });

  test("are none where nothing is revoked", async () => {
    const issuer = await putIssuer(db.database);
    await putCertificate(db.database, issuer, await putAccount());
    expect(await entries(issuer)).toEqual([]);
  });

  test.each(Object.entries(revocationReasons))("say %s as RFC 5280 numbers it", async (name, code) => {
    const issuer = await putIssuer(db.database);
    const as = revoked(START + 1, name as RevocationReason);
    const { serial } = await putCertificate(db.database, issuer, await putAccount(), as);
    // "unspecified" is left out (RFC 5280 §5.3.1).
    expect(await entries(issuer)).toEqual([{ serial, at: START + 1, reason: code === 0 ? undefined : code }]);
  });

  test("say since when a revoked one is no good", async () => {
    const issuer = await putIssuer(db.database);
    const { serial, fingerprint } = await putCertificate(db.database, issuer, await putAccount());
    await db.database.certificates.setStatus([fingerprint], {
      ...{ status: "revoked", statusAt: START, reason: "keyCompromise", statusBy: "cli:ann" },
      ...{ invalidityAt: START - HOUR, note: undefined },
    });
    expect(await entries(issuer)).toEqual([{ serial, at: START, reason: 1, invalidityAt: START - HOUR }]);
  });

  test("say certificateHold of a suspended certificate", async () => {
    const issuer = await putIssuer(db.database);
    const as = { status: "suspended", statusAt: START + 2 } as const;
    const { serial } = await putCertificate(db.database, issuer, await putAccount(), as);
    expect(HOLD).toBe(6);
    expect(await entries(issuer)).toEqual([{ serial, at: START + 2, reason: 6 }]);
  });

  test("say certificateHold of every certificate of a suspended account, but of a revoked one its reason", async () => {
    const issuer = await putIssuer(db.database);
    const [account, other] = [await putAccount(), await putAccount()];
    const active = await putCertificate(db.database, issuer, account);
    const ended = await putCertificate(db.database, issuer, account, revoked(START + 1));
    await putCertificate(db.database, issuer, other);
    await db.database.accounts.setStatus(account.id, "suspended", START + 9);
    expect(await entries(issuer)).toHaveLength(2);
    expect(await entries(issuer)).toEqual(
      expect.arrayContaining([
        { serial: active.serial, at: START + 9, reason: 6 },
        { serial: ended.serial, at: START + 1, reason: 1 },
      ]),
    );
    await db.database.accounts.setStatus(account.id, "active", undefined);
    expect(await entries(issuer)).toEqual([{ serial: ended.serial, at: START + 1, reason: 1 }]);
  });

  test("leave out what expired before, and keep what expires at that instant", async () => {
    const issuer = await putIssuer(db.database);
    const account = await putAccount();
    await putCertificate(db.database, issuer, account, { ...revoked(START - 9), notAfter: START - 1 });
    const as = { ...revoked(START - 9), notAfter: START };
    const { serial } = await putCertificate(db.database, issuer, account, as);
    expect((await entries(issuer)).map((entry) => entry.serial)).toEqual([serial]);
  });

  test("leave out what another issuer signed", async () => {
    const [issuer, other] = [await putIssuer(db.database), await putIssuer(db.database)];
    await putCertificate(db.database, other, await putAccount(), revoked(START));
    expect(await entries(issuer)).toEqual([]);
    expect(await entries(other)).toHaveLength(1);
  });

  test("hold the certificates of our own listeners too", async () => {
    const issuer = await putIssuer(db.database);
    const { serial } = await putCertificate(db.database, issuer, undefined, revoked(START));
    expect(await entries(issuer)).toEqual([{ serial, at: START, reason: 1 }]);
  });

  test("are in order of time, those of a suspended account as well", async () => {
    const issuer = await putIssuer(db.database);
    const [account, suspended] = [await putAccount(), await putAccount()];
    await putCertificate(db.database, issuer, account, revoked(START + 3 * HOUR));
    await putCertificate(db.database, issuer, suspended);
    await putCertificate(db.database, issuer, account, revoked(START + HOUR));
    await db.database.accounts.setStatus(suspended.id, "suspended", START + 2 * HOUR);
    const times = (await entries(issuer)).map(({ at }) => at);
    expect(times).toEqual([START + HOUR, START + 2 * HOUR, START + 3 * HOUR]);
  });
});
