import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CertificateRecord, ChangeAction, CrlEntry, CrlRecord } from "../../src/domain/records.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { CrlMaker } from "../../src/services/crl-maker.ts";
import { CRL_LIFE, isCrlOld } from "../../src/domain/crl-schedule.ts";
import { altersCrl } from "../../src/services/crl.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { x509 } from "../../src/x509/library.ts";
import { entriesIn } from "../support/crls.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshAccount, makeCsr, makeIssuing, signRecord } from "../support/issuing.ts";

onEachDatabase("CRLs", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  /** What each CRL has, in order. */
  let signed: (readonly CrlEntry[])[];
  let makers: CrlMaker[];
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    signed = [];
    makers = [];
  });
  afterEach(async () => {
    for (const maker of makers) await maker.close();
  });

  const makerOn = (database = db.database, newCrlBuilder = crlBuilder, crlLife = CRL_LIFE): CrlMaker => {
    const maker = new CrlMaker({ database, newCrlBuilder, publicUrl: "http://ca.test", crlLife });
    makers.push(maker);
    return maker;
  };
  const publish = async (maker = makerOn(), issuer = parts.issuer) => {
    const made = await maker.publish(parts, issuer);
    if (!made) throw new Error("it was not published");
    signed.push(entriesIn(made.crl.der));
    return made.crl;
  };
  const issued = async (notAfter?: number): Promise<CertificateRecord> => {
    const account = (await freshAccount(parts)).slug;
    return signRecord(parts, "cli:tester", { account, csr: await makeCsr(), profile: "client", notAfter });
  };

  test("are numbered on, also by another process", async () => {
    const numbers = [(await publish()).number, (await publish(makerOn(await db.open()))).number];
    expect([...numbers, (await publish()).number]).toEqual([1, 2, 3]);
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(3);
  });

  test("published by two processes at once have two numbers", async () => {
    const other = await db.open();
    const crls = await Promise.all([publish(), publish(makerOn(other)), publish(), publish(makerOn(other))]);
    expect(crls.map(({ number }) => number).sort()).toEqual([1, 2, 3, 4]);
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(4);
  });

  test("are recorded with the change that tells of them, and with the one that they go up to", async () => {
    const before = await db.database.changes.last();
    const crl = await publish();
    expect(crl).toMatchObject({ thisUpdate: START, nextUpdate: START + CRL_LIFE, basis: before });
    expect(await db.database.changes.after(before, 10)).toMatchObject([
      {
        action: "crl.publish",
        subject: parts.issuer.id,
        detail: { number: 1, entries: 0, base: 1, delta: 0 },
      },
    ]);
    expect(await db.database.crls.latest(parts.issuer.id)).toEqual(crl);
    const list = new x509.X509Crl(Buffer.from(crl.der));
    expect(list.thisUpdate.getTime()).toBe(START);
    expect(list.nextUpdate?.getTime()).toBe(START + CRL_LIFE);
  });

  test("that can't be signed leave no trace, and burn no number", async () => {
    await publish();
    const before = await db.dump();
    const signer = { ...parts.issuer.signer, sign: () => Promise.reject(new Error("the HSM is gone")) };
    await expect(publish(makerOn(), { ...parts.issuer, signer })).rejects.toThrow("the HSM is gone");
    expect(await db.dump()).toEqual(before);
    expect((await publish()).number).toBe(2);
  });

  test("never outlive their issuer", async () => {
    const issuer = { ...parts.issuer, notAfter: START + HOUR };
    const crl = await publish(makerOn(), issuer);
    expect(crl.nextUpdate).toBe(START + HOUR);
  });

  test("name what is revoked or suspended, and no longer what was resumed", async () => {
    const [revoked, suspended] = [await issued(), await issued()];
    await issued();
    await revoke(db.database, parts, revoked, "keyCompromise");
    await suspend(db.database, parts, suspended);
    await publish();
    await resume(db.database, parts, suspended);
    await publish();
    const gone = { serial: revoked.serial, at: START, reason: 1 };
    expect(signed[0]).toHaveLength(2);
    expect(signed[0]).toEqual(
      expect.arrayContaining([gone, { serial: suspended.serial, at: START, reason: 6 }]),
    );
    expect(signed[1]).toEqual([gone]);
  });

  test("name a suspended account's certificates until it is resumed", async () => {
    const { account, serial } = await issued();
    if (account === undefined) throw new Error("it has an account");
    await setAccountStatus(db.database, parts, account, "suspended");
    await publish();
    await setAccountStatus(db.database, parts, account, "active");
    await publish();
    expect(signed).toEqual([[{ serial, at: START, reason: 6 }], []]);
  });

  test("name a certificate that expired since the one before once more, and then no longer", async () => {
    const certificate = await issued(START + HOUR);
    await revoke(db.database, parts, certificate, "superseded");
    await publish();
    for (let i = 0; i < 2; i++) {
      parts.clock.advance(12 * HOUR);
      await publish();
    }
    expect(signed.map((entries) => entries.length)).toEqual([1, 1, 0]);
  });

  test("name a certificate that was revoked and expired between two of them (RFC 5280 §3.3)", async () => {
    await publish();
    const certificate = await issued(START + HOUR);
    parts.clock.advance(1000);
    await revoke(db.database, parts, certificate, "superseded");
    for (let i = 0; i < 2; i++) {
      parts.clock.advance(12 * HOUR);
      await publish();
    }
    expect(signed.map((entries) => entries.length)).toEqual([0, 1, 0]);
  });

  test("name a certificate that expired on one more that was due, whatever was published in between (§3.3)", async () => {
    const maker = makerOn();
    await publish(maker);
    const certificate = await issued(START + HOUR);
    await revoke(db.database, parts, certificate, "superseded");
    parts.clock.advance(2 * HOUR);
    await maker.publish(parts, parts.issuer); // for somebody else's revocation
    for (let i = 0; i < 2; i++) {
      parts.clock.advance(12 * HOUR);
      await publish(maker);
    }
    expect(signed.map((entries) => entries.length)).toEqual([0, 1, 0]);
  });

  test("can all be brought up to date by the newest delta, for as long as they are valid", async () => {
    const maker = makerOn();
    const made: CrlRecord[] = [];
    // On schedule, and in between: just after that and just before the next.
    for (const wait of [0, 11 * HOUR, HOUR, MINUTE, 11 * HOUR, HOUR, 12 * HOUR]) {
      parts.clock.advance(wait);
      const crl = (await maker.publish(parts, parts.issuer))?.crl;
      if (!crl) throw new Error("it was not published");
      const valid = made.filter(({ nextUpdate }) => nextUpdate > crl.thisUpdate);
      for (const { number } of valid) expect(number).toBeGreaterThanOrEqual(crl.base?.number ?? Infinity);
      expect(crl.nextUpdate - crl.thisUpdate).toBeGreaterThan(CRL_LIFE / 2);
      made.push(crl);
    }
    expect(made.map(({ scheduled }) => scheduled?.number)).toEqual([1, 1, 3, 3, 3, 6, 7]);
    expect(made.map(({ base }) => base?.number)).toEqual([1, 1, 1, 1, 1, 3, 6]);
  });

  test("are renewed at half of their life", async () => {
    const crl = await publish();
    expect(isCrlOld(crl, START + CRL_LIFE / 2 - 1)).toBe(false);
    expect(isCrlOld(crl, START + CRL_LIFE / 2)).toBe(true);
  });

  test("are valid for as long as they are meant to be", async () => {
    const maker = makerOn(db.database, crlBuilder, HOUR);
    expect((await publish(maker)).nextUpdate).toBe(START + HOUR);
    parts.clock.advance(HOUR / 2);
    expect((await publish(maker)).scheduled?.number).toBe(2);
  });

  test("are valid when they are made, also where the life that is wanted has become another", async () => {
    const [long, short] = [makerOn(), makerOn(db.database, crlBuilder, HOUR)];
    const first = await publish(long);
    parts.clock.advance(40 * MINUTE);
    expect(isCrlOld(first, parts.clock.now(), HOUR)).toBe(true);
    const second = await publish(short);
    expect(second).toMatchObject({ nextUpdate: parts.clock.now() + HOUR, scheduled: { number: 2 } });
    parts.clock.advance(MINUTE);
    // In between, whoever makes it, and whatever life that one was told of.
    for (const maker of [long, short]) expect((await publish(maker)).nextUpdate).toBe(second.nextUpdate);
  });

  describe("made by a clock that was ahead", () => {
    /** One that was revoked before, and two CRLs on the schedule of a clock that is set right afterwards. */
    const jumpThereAndBack = async (maker: CrlMaker): Promise<CertificateRecord> => {
      const certificate = await issued();
      await revoke(db.database, parts, certificate, "superseded");
      await publish(maker);
      for (const step of [48 * HOUR, 12 * HOUR]) {
        parts.clock.advance(step);
        await publish(maker);
      }
      parts.clock.advance(-60 * HOUR);
      signed = [];
      return certificate;
    };

    test("are followed by one that is valid now and lists what is live, and so is the delta after it", async () => {
      for (const maker of [makerOn(), undefined]) {
        const before = await jumpThereAndBack(maker ?? makerOn());
        const latest = await db.database.crls.head(parts.issuer.id);
        expect(isCrlOld(latest, parts.clock.now())).toBe(true);
        const crl = await publish(maker); // by the one that made the others, and by another process
        expect(crl).toMatchObject({ thisUpdate: parts.clock.now(), scheduled: { number: crl.number } });
        expect(signed.at(-1)?.map(({ serial }) => serial)).toContain(before.serial);
        expect(isCrlOld(crl, parts.clock.now())).toBe(false);

        const later = await issued();
        await revoke(db.database, parts, later, "superseded");
        const next = await publish(maker);
        expect(next.base?.number).toBe(crl.number);
        expect(entriesIn(next.delta).map(({ serial }) => serial)).toEqual([later.serial]);
        expect(signed.at(-1)?.map(({ serial }) => serial)).toContain(later.serial);
      }
    });

    test("by less than a minute, as another server's may be, are no reason for more of them", async () => {
      const maker = makerOn();
      const first = await publish(maker);
      parts.clock.advance(-MINUTE);
      expect(isCrlOld(first, parts.clock.now())).toBe(false);
      expect((await publish(maker)).scheduled?.number).toBe(first.number);
      parts.clock.advance(-1);
      expect(isCrlOld(first, parts.clock.now())).toBe(true);
    });

    test("are renewed in time afterwards", async () => {
      const maker = makerOn();
      await jumpThereAndBack(maker);
      const crl = await publish(maker);
      parts.clock.advance(12 * HOUR - 1);
      expect(isCrlOld(crl, parts.clock.now())).toBe(false);
      parts.clock.advance(1);
      expect(isCrlOld(crl, parts.clock.now())).toBe(true);
    });

    test("also in between two on schedule, are followed by one that is valid now", async () => {
      const maker = makerOn();
      await publish(maker);
      parts.clock.advance(2 * HOUR);
      const ahead = await publish(maker);
      parts.clock.advance(-HOUR);
      expect(isCrlOld(ahead, parts.clock.now())).toBe(true);
      expect((await publish(maker)).thisUpdate).toBe(parts.clock.now());
    });
  });
});

const actions: Record<ChangeAction, boolean> = {
  "home.init": false,
  "account.create": false,
  "account.update": false,
  "account.suspend": true,
  "account.resume": true,
  "token.create": false,
  "token.revoke": false,
  "token.use": false,
  "request.approve": false,
  "request.deny": false,
  "certificate.intend": false,
  "certificate.issue": false,
  "certificate.register": false,
  "certificate.revoke": true,
  "certificate.suspend": true,
  "certificate.resume": true,
  "certificate.update": false,
  "credential.clone": false,
  "key.block": false,
  "issuer.install": false,
  "issuer.retire": false,
  "crl.publish": false,
  "state.accept": false,
};
test.each(Object.entries(actions))("%s alters a CRL: %s", (action, alters) => {
  const change = {
    sequence: 1,
    time: START,
    actor: "t",
    action: action as ChangeAction,
    subject: "",
    detail: {},
  };
  expect(altersCrl(change)).toBe(alters);
});
