import { X509Certificate, randomBytes } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import type { Refusal } from "../../src/domain/errors.ts";
import { fingerprintOf } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { makeToken } from "../../src/domain/token.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  clientProfile,
  csrOf,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuer,
  makeIssuing,
  recordIssuer,
  testClock,
} from "../support/issuing.ts";

onEachDatabase("enrolment", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  test("turns a token and a CSR into a certificate that is on record", async () => {
    const account = await freshAccount(parts);
    const scopes = [parseScope("orders:read")];
    const { token, id } = await freshToken(parts, account, { scopes });
    const pair = await makeKeyPair("ec-p256");
    const csr = await csrOf(pair);
    const issued = await enrolRecord(parts, { token, csr });

    expect(issued).toMatchObject({
      issuerId: parts.issuer.id,
      accountId: account.id,
      account: account.slug,
      profile: "client",
      scopes,
      status: "active",
      notBefore: START - MINUTE,
      notAfter: START + 24 * HOUR,
      issuedAt: START,
    });
    expect(issued.fingerprint).toBe(fingerprintOf(issued.der));
    expect(await db.database.certificates.byFingerprint(issued.fingerprint)).toEqual(issued);

    const leaf = new X509Certificate(issued.der);
    const issuer = new X509Certificate(parts.issuer.der);
    expect(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey)).toBe(true);
    expect(leaf.publicKey.equals(pair.publicKey)).toBe(true);
    expect(leaf.subject).toBe(`CN=${account.slug}`);
    expect(leaf.subjectAltName).toBe(`URI:spiffe://test.internal/account/${account.slug}`);
    expect(BigInt(`0x${leaf.serialNumber}`)).toBe(BigInt(`0x${issued.serial}`));
    expect(leaf.validToDate.getTime()).toBe(issued.notAfter);

    expect(await db.database.tokens.byId(id)).toMatchObject({
      usedAt: START,
      csrHash: parts.codec.parseRequest(csr).hash,
      fingerprint: issued.fingerprint,
    });
  });

  test("writes one change for the intent and one for the certificate", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account);
    const before = await db.database.changes.last();
    const { fingerprint, serial } = await enrolRecord(parts, { token, csr: await makeCsr() });
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, subject, actor }) => ({ action, subject, actor }))).toEqual([
      { action: "certificate.intend", subject: serial, actor: `token:${id}` },
      { action: "certificate.issue", subject: fingerprint, actor: `token:${id}` },
    ]);
  });

  test("lets a shorter or longer life be asked for, within the profile's", async () => {
    const account = await freshAccount(parts);
    for (const life of [HOUR, 90 * DAY]) {
      const { token } = await freshToken(parts, account);
      const issued = await enrolRecord(parts, { token, csr: await makeCsr(), notAfter: START + life });
      expect(issued.notAfter).toBe(START + life);
    }
  });

  test("takes the token's profile when the request names it, or none", async () => {
    const account = await freshAccount(parts);
    const modern = parts.profiles().get("modern");
    for (const profile of [undefined, "modern"]) {
      const { token } = await freshToken(parts, account, modern ? { profile: modern } : {});
      const issued = await enrolRecord(parts, { token, csr: await makeCsr("ed25519"), profile });
      expect(issued.profile).toBe("modern");
    }
  });

  test("whose answer was lost is answered as before, whatever the profile says by now", async () => {
    const account = await freshAccount(parts);
    const { token } = await freshToken(parts, account);
    const wanted = { token, csr: await makeCsr() };
    const notAfter = START + HOUR;
    const { fingerprint } = await enrolRecord(parts, { ...wanted, notAfter });
    const narrowed = new Map([["client", { ...clientProfile, keyTypes: ["ml-dsa-87"] as const }]]);
    const late = testClock(START + MINUTE);
    const nobody = { ...parts.issuers, signing: () => undefined };
    for (const changes of [
      { profiles: () => narrowed },
      { profiles: () => new Map() },
      { issuers: nobody },
    ]) {
      const again = await enrolRecord({ ...parts, ...changes, clock: late }, { ...wanted, notAfter: START });
      expect(again.fingerprint).toBe(fingerprint);
    }
  });

  test("with tokens by the ten thousand, all unknown, refuses each, and serves who has one", async () => {
    const { token } = await freshToken(parts, await freshAccount(parts));
    const strangers = Array.from({ length: 40_000 }, () => makeToken(randomBytes));
    const refused = Promise.all(
      strangers.map((each) =>
        parts.desk.authenticate(each).catch((error: unknown) => (error as Refusal).code),
      ),
    );
    expect(await parts.desk.authenticate(token)).toMatchObject({ account: { status: "active" } });
    expect(new Set(await refused)).toEqual(new Set(["TOKEN_UNKNOWN"]));
  });

  test("is refused by an issuing CA that another process has retired meanwhile", async () => {
    const issuer = await makeIssuer("Retired");
    await recordIssuer(db.database, issuer);
    await db.database.issuers.retire(issuer.id);
    const { token } = await freshToken(parts, await freshAccount(parts));
    const behind = { ...parts, issuers: { ...parts.issuers, signing: () => issuer } };
    const before = await db.dump();
    await expectRefusal(
      enrolRecord(behind, { token, csr: await makeCsr() }),
      "UNAVAILABLE",
      "Nobody signs for this profile right now.",
    );
    expect(await db.dump()).toEqual(before);
  });

  test("of an account's further key, or the same key again, gives a further certificate", async () => {
    const account = await freshAccount(parts);
    const csr = await makeCsr();
    const one = await enrolRecord(parts, { token: (await freshToken(parts, account)).token, csr });
    const other = await enrolRecord(parts, { token: (await freshToken(parts, account)).token, csr });
    expect(other.fingerprint).not.toBe(one.fingerprint);
    expect(other.serial).not.toBe(one.serial);
    expect(await db.database.certificates.list({ account: account.slug })).toHaveLength(2);
  });

  test("with the same token and CSR gives the same certificate again, and changes nothing", async () => {
    const { token } = await freshToken(parts, await freshAccount(parts));
    const csr = await makeCsr();
    const first = await enrolRecord(parts, { token, csr });
    const before = await db.dump();
    expect(await enrolRecord(parts, { token, csr })).toEqual(first);
    expect(await db.dump()).toEqual(before);
  });
});
