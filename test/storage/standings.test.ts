import { beforeEach, expect, test } from "vitest";
import type { IssuerId } from "../../src/domain/identifiers.ts";
import type { Account } from "../../src/domain/records.ts";
import { readPage } from "../../src/x509/crl-entries.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIntent, putIssuer, someAccount, someIntent } from "./records.ts";

onEachDatabase("how certificates stand", (db) => {
  let issuer: IssuerId;
  let account: Account;
  beforeEach(async () => {
    issuer = await putIssuer(db.database);
    account = await db.database.accounts.insert(someAccount());
  });

  test("is what the CRL says of them", async () => {
    const { certificates, accounts } = db.database;
    const paused = await accounts.insert(someAccount());
    await accounts.setStatus(paused.id, "suspended", START + 5);
    const statusAt = START + 1000;
    const records = [
      await putCertificate(db.database, issuer, account),
      await putCertificate(db.database, issuer, undefined),
      await putCertificate(db.database, issuer, account, { status: "suspended", statusAt }),
      await putCertificate(db.database, issuer, account, {
        status: "revoked",
        statusAt,
        reason: "superseded",
      }),
      await putCertificate(db.database, issuer, account, {
        status: "revoked",
        statusAt,
        reason: "unspecified",
      }),
      await putCertificate(db.database, issuer, paused),
      await putCertificate(db.database, issuer, paused, {
        status: "revoked",
        statusAt,
        reason: "keyCompromise",
      }),
    ];
    const serials = records.map(({ serial }) => serial);
    const standings = await certificates.standings(issuer, serials);
    expect(new Set(standings.map(({ serial }) => serial))).toEqual(new Set(serials));
    for (const { serial, fingerprint, account: slug } of standings) {
      expect({ fingerprint, slug }).toEqual(
        records
          .filter((each) => each.serial === serial)
          .map((each) => ({ fingerprint: each.fingerprint, slug: each.account }))[0],
      );
    }
    const revoked = standings.flatMap(({ serial, revocation }) =>
      revocation ? [{ serial, ...revocation }] : [],
    );
    const bySerial = (one: { serial: string }, other: { serial: string }) =>
      one.serial < other.serial ? -1 : 1;
    const entries = [];
    for await (const page of certificates.crlPages(issuer, { floor: 0 })) {
      for (const { serial, at, code } of readPage(page)) {
        entries.push({ serial, at, reason: code === 0 ? undefined : code });
      }
    }
    expect(revoked.sort(bySerial)).toEqual([...entries].sort(bySerial));
    expect(revoked).toHaveLength(5);
  });

  test("is nothing for what was intended alone, another issuer's, or never heard of", async () => {
    const other = await putIssuer(db.database);
    const intent = someIntent(issuer, account);
    await putIntent(db.database, intent);
    const theirs = await putCertificate(db.database, other, account);
    const serials = [intent.serial, theirs.serial, someIntent(issuer, account).serial];
    expect(await db.database.certificates.standings(issuer, serials)).toEqual([]);
    expect(await db.database.certificates.standings(issuer, [])).toEqual([]);
  });

  test("is asked of more of them than a statement takes", async () => {
    const { serial } = await putCertificate(db.database, issuer, account);
    const strangers = Array.from({ length: 3000 }, () => someIntent(issuer, account).serial);
    const found = await db.database.certificates.standings(issuer, [...strangers, serial, serial]);
    expect(found.map((each) => each.serial)).toEqual([serial]);
  });
});
