import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { parseFingerprint, parseSerial } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshSlug } from "../support/issuing.ts";
import { putCertificate, putIntent, putIssuer, someAccount, someIntent } from "./records.ts";

onEachDatabase("certificates", (db) => {
  const putAccount = () => db.database.accounts.insert(someAccount());

  test("come back byte for byte, by fingerprint", async () => {
    const { certificates } = db.database;
    const account = await putAccount();
    const der = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), randomBytes(2000)]);
    const scopes = [parseScope("orders:read")];
    const put = await putCertificate(db.database, await putIssuer(db.database), account, { der, scopes });
    const found = await certificates.byFingerprint(put.fingerprint);
    expect(found).toEqual(put);
    expect(Buffer.from(found?.der ?? []).equals(der)).toBe(true);
    const unknown = parseFingerprint(randomBytes(32).toString("hex"));
    expect(await certificates.byFingerprint(unknown)).toBeUndefined();
  });

  test("of our own listeners have no account", async () => {
    const put = await putCertificate(db.database, await putIssuer(db.database), undefined);
    const found = await db.database.certificates.byFingerprint(put.fingerprint);
    expect(found?.account).toBeUndefined();
    expect(found?.accountId).toBeUndefined();
  });

  test("with a serial that two issuers used are both found", async () => {
    const { certificates } = db.database;
    const account = await putAccount();
    const one = await putCertificate(db.database, await putIssuer(db.database), account);
    const { serial } = one;
    const other = await putCertificate(db.database, await putIssuer(db.database), account, { serial });
    const found = (await certificates.bySerials([serial])).map(({ fingerprint }) => fingerprint);
    expect(found.sort()).toEqual([one.fingerprint, other.fingerprint].sort());
    expect(await certificates.bySerials([parseSerial("1")])).toEqual([]);
  });

  test("have a serial that their issuer has not used before", async () => {
    const { certificates } = db.database;
    const issuer = await putIssuer(db.database);
    const intent = someIntent(issuer, undefined);
    await putIntent(db.database, intent);
    const again = { ...intent, notAfter: intent.notAfter + HOUR };
    await expect(certificates.intend([again])).rejects.toThrow(/unique/i);
    await certificates.intend([{ ...intent, issuerId: await putIssuer(db.database) }]);
  });

  test("and their intents need their key on record first", async () => {
    const { certificates } = db.database;
    const issuer = await putIssuer(db.database);
    const intent = someIntent(issuer, undefined);
    await expect(certificates.intend([intent])).rejects.toThrow(/foreign key/i);
    const put = await putCertificate(db.database, issuer, undefined);
    const { spkiHash } = someIntent(issuer, undefined);
    const fingerprint = parseFingerprint(randomBytes(32).toString("hex"));
    const { serial } = intent;
    await certificates.intend([{ ...intent, spkiHash: put.spkiHash }]);
    await expect(certificates.insert([{ ...put, fingerprint, serial, spkiHash }])).rejects.toThrow(
      /foreign key/i,
    );
  });

  test("need an intent on record first", async () => {
    const issuer = await putIssuer(db.database);
    const certificate = await putCertificate(db.database, issuer, undefined);
    const unintended: CertificateRecord = {
      ...certificate,
      fingerprint: parseFingerprint(randomBytes(32).toString("hex")),
      serial: someIntent(issuer, undefined).serial,
    };
    await expect(db.database.certificates.insert([unintended])).rejects.toThrow(/foreign key/i);
  });

  test("are found many at a time", async () => {
    const issuer = await putIssuer(db.database);
    const put = await db.database.transaction(async (stores) => {
      const fingerprints: CertificateRecord["fingerprint"][] = [];
      for (let i = 0; i < 520; i++) {
        const database = { ...db.database, ...stores };
        fingerprints.push((await putCertificate(database, issuer, undefined)).fingerprint);
      }
      return fingerprints;
    });
    const found = await db.database.certificates.byFingerprints(put);
    expect(found.map(({ fingerprint }) => fingerprint).sort()).toEqual(put.sort());
    expect(await db.database.certificates.byFingerprints([])).toEqual([]);
  });

  test("are listed by account, status and end, together or alone", async () => {
    const { certificates } = db.database;
    const issuer = await putIssuer(db.database);
    const [account, other] = [await putAccount(), await putAccount()];
    const early = await putCertificate(db.database, issuer, account, { notAfter: START + HOUR });
    const late = await putCertificate(db.database, issuer, account, {
      issuedAt: START + 1,
      status: "revoked",
    });
    const theirs = await putCertificate(db.database, issuer, other, { issuedAt: START + 2 });
    const filtered = async (filter: Parameters<typeof certificates.list>[0]) =>
      (await certificates.list(filter)).map(({ fingerprint }) => fingerprint);

    expect(await filtered({ account: account.slug })).toEqual([early.fingerprint, late.fingerprint]);
    expect(await filtered({ account: account.slug, status: "revoked" })).toEqual([late.fingerprint]);
    const soon = { expiringBefore: START + HOUR + 1 };
    expect(await filtered({ account: account.slug, ...soon })).toEqual([early.fingerprint]);
    expect(await filtered({ account: account.slug, ...soon, status: "revoked" })).toEqual([]);
    expect(await filtered({ account: freshSlug("nobody") })).toEqual([]);
    const all = await filtered({});
    expect(all).toEqual(expect.arrayContaining([early, late, theirs].map(({ fingerprint }) => fingerprint)));
  });

  test("change their status alone", async () => {
    const { certificates } = db.database;
    const issuer = await putIssuer(db.database);
    const [one, other] = [
      await putCertificate(db.database, issuer, undefined),
      await putCertificate(db.database, issuer, undefined),
    ];
    const held = { status: "suspended", statusAt: START + 3, statusBy: "cli:ann", note: "lost" } as const;
    const active = { status: "active", statusAt: undefined, statusBy: undefined, note: undefined } as const;
    const unsaid = { reason: undefined, invalidityAt: undefined };
    await certificates.setStatus([one.fingerprint], { ...held, ...unsaid });
    expect(await certificates.byFingerprint(one.fingerprint)).toEqual({ ...one, ...held });
    expect(await certificates.byFingerprint(other.fingerprint)).toEqual(other);
    await certificates.setStatus([one.fingerprint], { ...active, ...unsaid });
    expect(await certificates.byFingerprint(one.fingerprint)).toEqual(one);
    const ended = { status: "revoked", reason: "keyCompromise", invalidityAt: START - 5 * HOUR } as const;
    const revoked = { ...held, ...ended };
    await certificates.setStatus([one.fingerprint], revoked);
    expect(await certificates.byFingerprint(one.fingerprint)).toEqual({ ...one, ...revoked });
  });

  test("that are revoked are given no other status by the store either, nor are those beside them", async () => {
    const { certificates } = db.database;
    const issuer = await putIssuer(db.database);
    const [one, other] = [
      await putCertificate(db.database, issuer, undefined, { status: "revoked", statusAt: START }),
      await putCertificate(db.database, issuer, undefined),
    ];
    const update = { status: "active", statusAt: undefined, statusBy: undefined, note: undefined } as const;
    const fingerprints = [other.fingerprint, one.fingerprint];
    const changing = db.database.transaction((stores) =>
      stores.certificates.setStatus(fingerprints, { ...update, reason: undefined, invalidityAt: undefined }),
    );
    await expect(changing).rejects.toThrow("a certificate is revoked, or not on record");
    expect(await certificates.byFingerprints([one.fingerprint])).toEqual([one]);
    expect(await certificates.byFingerprints([other.fingerprint])).toEqual([other]);
  });

  test("are listed by key, key type and issuer", async () => {
    const { certificates } = db.database;
    const [issuer, second] = [await putIssuer(db.database), await putIssuer(db.database)];
    const one = await putCertificate(db.database, issuer, undefined);
    const other = await putCertificate(db.database, second, undefined);
    const fingerprints = async (filter: Parameters<typeof certificates.list>[0]) =>
      (await certificates.list(filter)).map(({ fingerprint }) => fingerprint);
    expect(await fingerprints({ spkiHash: one.spkiHash })).toEqual([one.fingerprint]);
    expect(await fingerprints({ issuer: second })).toEqual([other.fingerprint]);
    expect(await fingerprints({ issuer: second, keyType: "ec-p256" })).toEqual([other.fingerprint]);
    expect(await fingerprints({ keyType: "rsa-4096" })).toEqual([]);
  });
});
