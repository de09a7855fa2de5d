import { expect, test } from "vitest";
import type { IssuerId, Serial } from "../../src/domain/identifiers.ts";
import type { CrlSelection } from "../../src/domain/crl.ts";
import type { CertificateRecord, ChangeAction, CrlEntry } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { HOLD, REMOVED, type RevocationReason, revocationReasons } from "../../src/domain/revocation.ts";
import { entryOf, readPage } from "../../src/x509/crl-entries.ts";
import { enumerated, generalizedTime, integer, sequence, time } from "../../src/x509/der-writer.ts";
import { extension } from "../../src/x509/extensions.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIssuer, someAccount } from "./records.ts";

onEachDatabase("CRL entries", (db) => {
  const putAccount = () => db.database.accounts.insert(someAccount());
  const read = async (issuer: IssuerId, selection: CrlSelection): Promise<CrlEntry[]> => {
    const found: CrlEntry[] = [];
    for await (const page of db.database.certificates.crlPages(issuer, selection))
      for (const { serial, at, code, invalidityAt } of readPage(page)) {
        const since = invalidityAt === undefined ? {} : { invalidityAt };
        found.push({ serial: serial as Serial, at, reason: code === 0 ? undefined : code, ...since });
      }
    return found;
  };
  const entries = (issuer: IssuerId, floor = START) => read(issuer, { floor });
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
    const entry = { serial, at: START, reason: 1, invalidityAt: START - HOUR };
    expect(await entries(issuer)).toEqual([entry]);
    const der = entryOf({ ...entry, code: entry.reason, notAfter: 0 });
    const parts = [
      extension("2.5.29.21", false, enumerated(1)),
      extension("2.5.29.24", false, generalizedTime(START - HOUR)),
    ];
    expect(der).toEqual(sequence(integer(serial), time(START), sequence(...parts)));
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

  test("are in the order of their serials, page after page", async () => {
    const issuer = await putIssuer(db.database);
    const account = await putAccount();
    const put = [];
    for (let i = 0; i < 9; i++)
      put.push(await putCertificate(db.database, issuer, account, revoked(START - i)));
    const serials = put.map(({ serial }) => serial).sort();
    expect((await entries(issuer)).map(({ serial }) => serial)).toEqual(serials);
  });

  test("that changes have touched are those of certificates and of accounts, as they are now", async () => {
    const issuer = await putIssuer(db.database);
    const [account, paused] = [await putAccount(), await putAccount()];
    const ended = await putCertificate(db.database, issuer, account, revoked(START + 1));
    const resumed = await putCertificate(db.database, issuer, account);
    const held = await putCertificate(db.database, issuer, paused);
    await putCertificate(db.database, issuer, account, revoked(START + 2)); // by no change
    await db.database.accounts.setStatus(paused.id, "suspended", START + 3);
    const since = await db.database.changes.last();
    const change = (action: ChangeAction, subject: string) => ({
      ...{ time: START, actor: "test", action, subject, detail: {} },
    });
    const until = await db.database.changes.append([
      change("certificate.revoke", ended.fingerprint),
      change("certificate.resume", resumed.fingerprint),
      change("account.suspend", paused.slug),
      change("certificate.issue", held.serial),
    ]);
    await db.database.changes.append([change("certificate.revoke", held.fingerprint)]);
    const found = await read(issuer, { since, until });
    expect(found).toHaveLength(3);
    expect(found).toEqual(
      expect.arrayContaining([
        { serial: ended.serial, at: START + 1, reason: 1 },
        { serial: resumed.serial, at: 0, reason: REMOVED },
        { serial: held.serial, at: START + 3, reason: HOLD },
      ]),
    );
    expect(await read(issuer, { since: until - 1, until })).toEqual([]);
    expect(await read(issuer, { since, until: since })).toEqual([]);
  });
});
