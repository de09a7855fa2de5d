import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { noLimits } from "../../src/domain/call-limits.ts";
import { parseCidr } from "../../src/domain/address.ts";
import type { DenialCode, ErrorCode } from "../../src/domain/errors.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR, MINUTE, SECOND, formatTime } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { setAccountStatus, updateAccount } from "../../src/services/accounts.ts";
import { explain } from "../../src/services/explain.ts";
import { retireDue } from "../../src/services/retirement.ts";
import { revokeOwn } from "../../src/services/own-revocation.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { type TestDatabase, onEachDatabase } from "../support/databases.ts";
import { csrOf, expectRefusal, listenerRecord, makeCsr } from "../support/issuing.ts";
import {
  AFTER_EXPIRY,
  OVERLAP,
  type Renewing,
  denied,
  firstOfLine,
  lateProfile,
  letThrough,
  makeRenewing,
  modernProfile,
  renewAs,
  standingOf,
} from "../support/renewing.ts";

onEachDatabase("renewal", (db) => {
  let parts: Renewing;
  beforeAll(async () => {
    parts = await makeRenewing(db.database);
  });

  test("gives a successor that has what the old one had, and both stand beside each other", async () => {
    const old = await firstOfLine(parts, { scopes: [parseScope("orders:read")] });
    const limits = { ...noLimits, maxConnections: 3 };
    await db.database.certificates.setRights(old.fingerprint, { scopes: old.scopes, limits });
    parts.clock.advance(16 * HOUR);
    const now = parts.clock.now();
    const before = await db.database.changes.last();
    const pair = await makeKeyPair("ed25519");
    const csr = await csrOf(pair);
    const renewed = await renewAs(parts, old, csr);

    const { accountId, account, profile, issuerId } = old;
    expect(renewed).toMatchObject({
      ...{ accountId, account, profile, issuerId, scopes: ["orders:read"], limits, status: "active" },
      ...{ issuedAt: now, notBefore: now - MINUTE, notAfter: now + 24 * HOUR },
    });
    expect(await db.database.certificates.byFingerprint(renewed.fingerprint)).toEqual(renewed);
    const leaf = new X509Certificate(renewed.der);
    expect(leaf.publicKey.equals(pair.publicKey)).toBe(true);
    expect(leaf.subject).toBe(`CN=${String(account)}`);
    expect(await standingOf(parts, old.fingerprint)).toBe("active");
    expect(await db.database.renewals.byPredecessors([old.fingerprint])).toEqual([
      {
        predecessor: old.fingerprint,
        csrHash: parts.codec.parseRequest(csr).hash,
        line: old.fingerprint,
        successor: renewed.fingerprint,
        renewedAt: now,
        retireAt: now + OVERLAP,
        retiredAt: undefined,
      },
    ]);
    const actor = `credential:${old.fingerprint}`;
    expect(await db.database.changes.after(before, 10)).toMatchObject([
      { action: "certificate.intend", subject: renewed.serial, actor },
      {
        ...{ action: "certificate.issue", subject: renewed.fingerprint, actor },
        detail: { account, profile, renews: old.fingerprint, retiresAt: now + OVERLAP },
      },
    ]);
  });

  test("takes the same key again, and a shorter life that is asked for", async () => {
    const old = await firstOfLine(parts);
    const pair = await makeKeyPair("ec-p256");
    const second = await renewAs(parts, old, await csrOf(pair));
    const notAfter = parts.clock.now() + HOUR;
    const third = await renewAs(parts, second, await csrOf(pair), { notAfter });
    expect(third).toMatchObject({ spkiHash: second.spkiHash, notAfter });
    await expectRefusal(
      renewAs(parts, third, await csrOf(pair), { notAfter: notAfter + 100 * DAY }),
      "VALIDITY_INVALID",
    );
  });

  test("is retired no later than at its end", async () => {
    const old = await firstOfLine(parts);
    parts.clock.advance(24 * HOUR - MINUTE);
    const { fingerprint } = await renewAs(parts, old, await makeCsr());
    const [renewal] = await db.database.renewals.bySuccessors([fingerprint]);
    expect(renewal?.retireAt).toBe(old.notAfter);
  });

  test("names the credential's first one as its line, however long that is", async () => {
    const first = await firstOfLine(parts);
    let latest = first;
    for (let i = 0; i < 3; i++) latest = await renewAs(parts, latest, await makeCsr());
    const [renewal] = await db.database.renewals.bySuccessors([latest.fingerprint]);
    expect(renewal?.line).toBe(first.fingerprint);
  });

  test("gives the same CSR the same certificate: at once, after retirement, after the old one's end", async () => {
    const old = await firstOfLine(parts);
    parts.clock.advance(20 * HOUR);
    const csr = await makeCsr();
    const renewed = await renewAs(parts, old, csr);
    expect(await renewAs(parts, old, csr)).toEqual(renewed);
    parts.clock.advance(OVERLAP);
    await retireAll(db, parts);
    expect(await standingOf(parts, old.fingerprint)).toBe("revoked: superseded");
    expect(await renewAs(parts, old, csr, { decision: denied(old, "CERT_REVOKED") })).toEqual(renewed);
    parts.clock.advance(5 * HOUR);
    expect(await renewAs(parts, old, csr, { decision: denied(old, "CERT_EXPIRED") })).toEqual(renewed);
    expect(await standingOf(parts, renewed.fingerprint)).toBe("active");
    expect(await db.database.certificates.list({ account: old.account as never })).toHaveLength(2);
  });

  describe("with another CSR", () => {
    const second =
      "This certificate was renewed before: its key may have been copied. Its line is suspended. Tell an admin; do not try again.";

    test("is refused, and suspends both", async () => {
      const old = await firstOfLine(parts);
      const renewed = await renewAs(parts, old, await makeCsr());
      const before = await db.database.changes.last();
      parts.alarms.length = 0;
      await expectRefusal(renewAs(parts, old, await makeCsr()), "RENEWED_BEFORE", second);
      const { fingerprint, account } = old;
      const changes = await db.database.changes.after(before, 10);
      expect(changes).toMatchObject([
        {
          ...{ action: "credential.clone", subject: fingerprint, actor: "system" },
          detail: { cause: "renewed-twice", fingerprint, account, address: "192.0.2.1" },
        },
        { action: "certificate.suspend", actor: "system" },
        { action: "certificate.suspend", actor: "system" },
      ]);
      const suspended = changes.slice(1).map(({ subject }) => subject);
      expect(suspended.sort()).toEqual([fingerprint, renewed.fingerprint].sort());
      expect(parts.alarms).toMatchObject([{ first: before + 1, last: before + 3 }]);
      for (const each of [old, renewed])
        expect(await db.database.certificates.byFingerprint(each.fingerprint)).toMatchObject({
          status: "suspended",
          note: `clone alarm: ${fingerprint} was to be renewed a second time, with another CSR, from 192.0.2.1; somebody may have a copy of its key`,
        });
    });

    test("of one in the middle of a line suspends what lives of the whole line, and nobody else's", async () => {
      const first = await firstOfLine(parts);
      const other = await firstOfLine(parts);
      const middle = await renewAs(parts, first, await makeCsr());
      const last = await renewAs(parts, middle, await makeCsr());
      await revoke(db.database, parts, first, "unspecified");
      const before = await db.database.changes.last();
      await expectRefusal(renewAs(parts, middle, await makeCsr()), "RENEWED_BEFORE");
      expect((await db.database.changes.after(before, 1))[0]).toMatchObject({
        ...{ action: "credential.clone", subject: first.fingerprint },
        detail: { fingerprint: middle.fingerprint },
      });
      const standing = [first, middle, last, other].map(({ fingerprint }) => standingOf(parts, fingerprint));
      expect(await Promise.all(standing)).toEqual([
        "revoked: unspecified",
        "suspended",
        "suspended",
        "active",
      ]);
    });

    test("alarms once; and again when an admin has resumed the line", async () => {
      const old = await firstOfLine(parts);
      const renewed = await renewAs(parts, old, await makeCsr());
      await expectRefusal(renewAs(parts, old, await makeCsr()), "RENEWED_BEFORE");
      const raised = await db.database.changes.last();
      await expectRefusal(renewAs(parts, old, await makeCsr()), "RENEWED_BEFORE");
      expect(await db.database.changes.last()).toBe(raised);

      await resume(db.database, parts, renewed);
      const next = await renewAs(parts, renewed, await makeCsr());
      expect(await standingOf(parts, next.fingerprint)).toBe("active");
      await expectRefusal(renewAs(parts, renewed, await makeCsr()), "RENEWED_BEFORE");
      expect(await standingOf(parts, next.fingerprint)).toBe("suspended");
    });

    test.each([
      ["retired", OVERLAP, "CERT_REVOKED"],
      ["expired", 5 * HOUR, "CERT_EXPIRED"],
    ] as const)(
      "is refused as well when the old one is %s, and suspends the new one",
      async (_name, later, code) => {
        const old = await firstOfLine(parts);
        parts.clock.advance(20 * HOUR);
        const renewed = await renewAs(parts, old, await makeCsr());
        parts.clock.advance(later);
        await retireAll(db, parts);
        const decision = denied(old, code);
        await expectRefusal(renewAs(parts, old, await makeCsr(), { decision }), "RENEWED_BEFORE", second);
        expect(await standingOf(parts, renewed.fingerprint)).toBe("suspended");
      },
    );

    test("alarms when the old one has revoked itself, which gives no answer to the same one", async () => {
      const old = await firstOfLine(parts);
      const csr = await makeCsr();
      const renewed = await renewAs(parts, old, csr);
      await revokeOwn(db.database, parts.clock, old, old.fingerprint, "superseded");
      const asked = { decision: denied(old, "CERT_REVOKED") };
      await expectRefusal(renewAs(parts, old, csr, asked), "CERT_REVOKED");
      expect(await standingOf(parts, renewed.fingerprint)).toBe("active");
      await expectRefusal(renewAs(parts, old, await makeCsr(), asked), "RENEWED_BEFORE", second);
      expect(await standingOf(parts, renewed.fingerprint)).toBe("suspended");
      // Of one that was not renewed, nothing is to be found out.
      const other = await firstOfLine(parts);
      await revokeOwn(db.database, parts.clock, other, other.fingerprint, "superseded");
      const decision = denied(other, "CERT_REVOKED");
      await expectRefusal(renewAs(parts, other, await makeCsr(), { decision }), "CERT_REVOKED");
    });

    test("that is malformed, or whose key is not its sender's, alarms nobody", async () => {
      const old = await firstOfLine(parts);
      await renewAs(parts, old, await makeCsr());
      const before = await db.dump();
      await expectRefusal(renewAs(parts, old, Buffer.from("x")), "CSR_MALFORMED");
      const forged = Buffer.from(new X509Certificate(old.der).raw);
      await expectRefusal(renewAs(parts, old, forged), "CSR_MALFORMED");
      expect(await db.dump()).toEqual(before);
    });
  });

  describe("is refused", () => {
    type Act = (old: CertificateRecord) => Promise<unknown>;
    const account = ({ account: slug }: CertificateRecord) => slug as NonNullable<typeof slug>;
    const standings: readonly (readonly [name: string, code: DenialCode, act: Act])[] = [
      ["revoked", "CERT_REVOKED", (old) => revoke(db.database, parts, old, "privilegeWithdrawn")],
      [
        "revoked as superseded by an admin",
        "CERT_REVOKED",
        (old) => revoke(db.database, parts, old, "superseded"),
      ],
      ["suspended", "CERT_SUSPENDED", (old) => suspend(db.database, parts, old)],
      [
        "of an account that is suspended",
        "ACCOUNT_SUSPENDED",
        (old) => setAccountStatus(db.database, parts, account(old), "suspended"),
      ],
    ];

    test.each(standings)("when it is %s, whatever the decision knew", async (_name, code, act) => {
      const old = await firstOfLine(parts);
      await act(old);
      const before = await db.dump();
      await expectRefusal(renewAs(parts, old, await makeCsr()), code);
      await expectRefusal(renewAs(parts, old, await makeCsr(), { decision: denied(old, code) }), code);
      expect(await db.dump()).toEqual(before);
    });

    test.each(standings)(
      "when it is %s and has been renewed, for the same CSR too",
      async (_name, code, act) => {
        const old = await firstOfLine(parts);
        const csr = await makeCsr();
        const renewed = await renewAs(parts, old, csr);
        await act(old);
        parts.clock.advance(25 * HOUR);
        for (const each of [code, "CERT_EXPIRED"] as const) {
          const decision = denied(old, each);
          await expectRefusal(renewAs(parts, old, csr, { decision }), code);
          await expectRefusal(renewAs(parts, old, await makeCsr(), { decision }), code);
        }
        expect(await standingOf(parts, renewed.fingerprint)).toBe("active");
      },
    );

    test.each([
      "RATE_LIMITED",
      "ADDRESS_NOT_ALLOWED",
      "CERT_UNKNOWN",
      "CERT_REQUIRED",
      "CERT_PURPOSE",
      "STATUS_UNAVAILABLE",
    ] as const)("with the decision's own code, %s, and nothing is read of its CSR", async (code) => {
      const old = await firstOfLine(parts);
      const decision = denied(old, code);
      await expectRefusal(renewAs(parts, old, Buffer.from("x"), { decision }), code);
    });

    test("when it is untrusted, though it is on record", async () => {
      const old = await firstOfLine(parts, { profile: lateProfile });
      const csr = await makeCsr();
      await renewAs(parts, old, csr);
      await expectRefusal(
        renewAs(parts, old, csr, { decision: denied(old, "CERT_UNTRUSTED") }),
        "CERT_UNTRUSTED",
      );
    });

    test("when another CA has issued it, or it is no account's", async () => {
      const old = await firstOfLine(parts);
      const foreign: Renewing = { ...parts, issuers: { ...parts.issuers, certificate: () => undefined } };
      for (const decision of [letThrough(old), denied(old, "CERT_UNTRUSTED"), denied(old, "CERT_EXPIRED")])
        await expectRefusal(renewAs(foreign, old, await makeCsr(), { decision }), "NOT_RENEWABLE");
      const ours = await listenerRecord(parts, "localhost");
      await expectRefusal(renewAs(parts, ours, await makeCsr()), "NOT_RENEWABLE");
    });

    test("a key that the profile does not take, or that is somebody else's", async () => {
      const modern = await firstOfLine(parts, { profile: modernProfile, keyType: "ed25519" });
      await expectRefusal(renewAs(parts, modern, await makeCsr()), "KEY_UNSUPPORTED");
      const pair = await makeKeyPair("ec-p256");
      await renewAs(parts, await firstOfLine(parts), await csrOf(pair));
      const old = await firstOfLine(parts);
      await expectRefusal(renewAs(parts, old, await csrOf(pair)), "KEY_IN_USE");
      // Nothing was bound by that: the next attempt is the first.
      expect(await standingOf(parts, (await renewAs(parts, old, await makeCsr())).fingerprint)).toBe(
        "active",
      );
    });
  });

  describe("after its end", () => {
    const late = async (later: number): Promise<CertificateRecord> => {
      const old = await firstOfLine(parts, { profile: lateProfile });
      parts.clock.advance(24 * HOUR + later);
      return old;
    };
    const expired = (old: CertificateRecord) => ({ decision: denied(old, "CERT_EXPIRED") });

    test("is let through where the profile says so, for as long as it says, once", async () => {
      const old = await late(AFTER_EXPIRY - MINUTE);
      const csr = await makeCsr();
      const renewed = await renewAs(parts, old, csr, expired(old));
      expect(renewed).toMatchObject({ account: old.account, profile: "late", status: "active" });
      expect(await renewAs(parts, old, csr, expired(old))).toEqual(renewed);
      const [renewal] = await db.database.renewals.bySuccessors([renewed.fingerprint]);
      expect(renewal?.retireAt).toBe(old.notAfter);
      await expectRefusal(renewAs(parts, old, await makeCsr(), expired(old)), "RENEWED_BEFORE");
    });

    test("is refused where it says nothing, and after as long as it says", async () => {
      const plain = await firstOfLine(parts);
      parts.clock.advance(25 * HOUR);
      await expectRefusal(renewAs(parts, plain, await makeCsr(), expired(plain)), "CERT_EXPIRED");
      const old = await late(AFTER_EXPIRY);
      await expectRefusal(renewAs(parts, old, Buffer.from("not read"), expired(old)), "CERT_EXPIRED");
      // Nor by a decision that came a moment before its end.
      await expectRefusal(renewAs(parts, old, await makeCsr()), "CERT_EXPIRED");
    });

    test("what it was renewed to is given again only while that is good", async () => {
      const old = await late(0);
      const csr = await makeCsr();
      const renewed = await renewAs(parts, old, csr, expired(old));
      await suspend(db.database, parts, renewed);
      await expectRefusal(renewAs(parts, old, csr, expired(old)), "CERT_EXPIRED");
    });

    test("is refused when our own check finds that none of our CAs has signed it", async () => {
      const old = await late(0);
      const present: Renewing["present"] = (der) => ({
        ...parts.present(der),
        authorized: false,
        fault: "other",
      });
      await expectRefusal(
        renewAs({ ...parts, present }, old, await makeCsr(), expired(old)),
        "CERT_UNTRUSTED",
      );
    });

    test("is refused when it is for another purpose, or its account may not be used from there", async () => {
      const old = await late(0);
      const present: Renewing["present"] = (der) => ({ ...parts.present(der), clientAuth: false });
      await expectRefusal(renewAs({ ...parts, present }, old, await makeCsr(), expired(old)), "CERT_PURPOSE");
      await updateAccount(db.database, parts, old.account as never, {
        allowIps: [parseCidr("198.51.100.0/24")],
      });
      await expectRefusal(renewAs(parts, old, await makeCsr(), expired(old)), "ADDRESS_NOT_ALLOWED");
      const asked = { ...expired(old), address: "198.51.100.7" };
      expect(await renewAs(parts, old, await makeCsr(), asked)).toMatchObject({ status: "active" });
    });

    test.each([
      ["suspended", "CERT_SUSPENDED", (old: CertificateRecord) => suspend(db.database, parts, old)],
      ["revoked", "CERT_REVOKED", (old: CertificateRecord) => revoke(db.database, parts, old, "superseded")],
      [
        "of an account that is suspended",
        "ACCOUNT_SUSPENDED",
        (old: CertificateRecord) => setAccountStatus(db.database, parts, old.account as never, "suspended"),
      ],
    ] as const)("is refused when it is %s", async (_name, code, act) => {
      const old = await late(0);
      await act(old);
      const before = await db.dump();
      await expectRefusal(renewAs(parts, old, await makeCsr(), expired(old)), code);
      expect(await db.dump()).toEqual(before);
    });
  });

  test("why says what became of it, and that of the new one", async () => {
    const why = (record: CertificateRecord) =>
      explain(db.database, parts.present(record.der), {
        now: parts.clock.now(),
        address: undefined,
        scopes: [],
      });
    const old = await firstOfLine(parts);
    const { fingerprint: renewedBy } = await renewAs(parts, old, await makeCsr());
    expect(await why(old)).toMatchObject({ code: "ALLOWED", renewedBy });
    parts.clock.advance(OVERLAP);
    await retireAll(db, parts);
    expect(await why(old)).toMatchObject({
      ...{
        code: "CERT_REVOKED",
        renewedBy,
        record: { statusBy: "system", note: "retired after its renewal" },
      },
      rule: `credential: retired since ${formatTime(parts.clock.now())}, after its renewal`,
    });
    await expectRefusal(
      renewAs(parts, old, await makeCsr(), { decision: denied(old, "CERT_REVOKED") }),
      "RENEWED_BEFORE",
    );
    const renewed = await db.database.certificates.byFingerprint(renewedBy);
    expect(renewed && (await why(renewed))).toMatchObject({
      ...{ code: "CERT_SUSPENDED", record: { note: expect.stringMatching(/^clone alarm: /) as unknown } },
    });
  });

  test("an answer is given again only while there is something to go on with", async () => {
    const old = await firstOfLine(parts);
    const csr = await makeCsr();
    const renewed = await renewAs(parts, old, csr);
    parts.clock.advance(OVERLAP);
    await retireAll(db, parts);
    const decision = denied(old, "CERT_REVOKED");
    await suspend(db.database, parts, renewed);
    await expectRefusal(renewAs(parts, old, csr, { decision }), "CERT_REVOKED");
    await resume(db.database, parts, renewed);
    expect((await renewAs(parts, old, csr, { decision })).fingerprint).toBe(renewed.fingerprint);
    await revoke(db.database, parts, renewed, "unspecified");
    await expectRefusal(renewAs(parts, old, csr, { decision }), "CERT_REVOKED");
  });

  test("goes no further than ten active credentials of one line, until some of them end", async () => {
    const first = await firstOfLine(parts);
    let latest = first;
    for (let i = 1; i < 10; i++) latest = await renewAs(parts, latest, await makeCsr());
    const before = await db.dump();
    const csr = await makeCsr();
    const sentence =
      "10 certificates that came of one enrolment are active already. Renew again when some have ended or been retired.";
    await expectRefusal(renewAs(parts, latest, csr), "RATE_LIMITED", sentence);
    expect(await db.dump()).toEqual(before);
    parts.clock.advance(OVERLAP);
    await retireAll(db, parts);
    expect(await renewAs(parts, latest, csr)).toMatchObject({ status: "active" });
  });

  test("is asked for by one that has ended ten times at once, and once a second", async () => {
    const [one, other] = [await firstOfLine(parts), await firstOfLine(parts)];
    parts.clock.advance(25 * HOUR);
    const ask = (old: CertificateRecord, code: ErrorCode) =>
      expectRefusal(renewAs(parts, old, Buffer.from("x"), { decision: denied(old, "CERT_EXPIRED") }), code);
    for (let i = 0; i < 10; i++) await ask(one, "CERT_EXPIRED");
    await ask(one, "RATE_LIMITED");
    await ask(other, "CERT_EXPIRED");
    parts.clock.advance(SECOND);
    await ask(one, "CERT_EXPIRED");
    await ask(one, "RATE_LIMITED");
  });

  test("is refused with its successor's state while the old one is good and the new one is not", async () => {
    const old = await firstOfLine(parts);
    const csr = await makeCsr();
    const renewed = await renewAs(parts, old, csr, { notAfter: parts.clock.now() + HOUR });
    await suspend(db.database, parts, renewed);
    await expectRefusal(renewAs(parts, old, csr), "CERT_SUSPENDED");
    await resume(db.database, parts, renewed);
    expect((await renewAs(parts, old, csr)).fingerprint).toBe(renewed.fingerprint);
    parts.clock.advance(HOUR);
    await expectRefusal(renewAs(parts, old, csr), "CERT_EXPIRED");
    await revoke(db.database, parts, renewed, "unspecified");
    await expectRefusal(renewAs(parts, old, csr), "CERT_REVOKED");
  });
});

async function retireAll(db: TestDatabase, { clock }: Renewing): Promise<void> {
  while ((await retireDue(db.database, clock)) > 0);
}
