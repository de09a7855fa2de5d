import { randomBytes } from "node:crypto";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { type Serial, parseSerial } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import type { Database, Issuer } from "../../src/domain/ports.ts";
import type { Account, CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { OcspDelegates } from "../../src/services/ocsp/delegates.ts";
import { OcspResponder } from "../../src/services/ocsp/responder.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  type TestIssuing,
  eventually,
  freshAccount,
  freshSlug,
  makeIssuer,
  makeIssuing,
  recordIssuer,
  testLogger,
} from "../support/issuing.ts";
import { certId, extensions, nonceOf, readAnswer, readSigned, requestOf } from "../support/ocsp.ts";
import { putCertificate } from "../storage/records.ts";

onEachDatabase("the OCSP responder", (db) => {
  let parts: TestIssuing;
  let account: Account;
  let logger: ReturnType<typeof testLogger>;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    account = await freshAccount(parts);
    logger = testLogger();
  });

  const makeSigner = async (keyType: KeyType) => memorySigner((await makeKeyPair(keyType)).privateKey);

  /** A responder that is told of no change but by `follow`. */
  async function started(
    options: { issuers?: readonly Issuer[]; database?: Database; isCurrent?: () => boolean } = {},
  ) {
    const { issuers = [parts.issuer], database = db.database, isCurrent = () => true } = options;
    const signed: number[] = [];
    const delegates = new OcspDelegates({ issuing: parts, issuers: () => issuers, makeSigner, logger });
    onTestFinished(() => delegates.stop());
    await delegates.start();
    const codec: typeof parts.codec = {
      ...parts.codec,
      signOcspAnswers: (by, answers) => {
        signed.push(answers.singles.length);
        return parts.codec.signOcspAnswers(by, answers);
      },
    };
    const responder = new OcspResponder({ ...parts, codec, database, logger, delegates, isCurrent });
    let applied = await db.database.changes.last();
    const follow = async (): Promise<void> => {
      const changes = await db.database.changes.after(applied, 1000);
      applied = changes.at(-1)?.sequence ?? applied;
      delegates.onChanges(changes);
      responder.onChanges(changes);
    };
    const ask = (...serials: readonly Serial[]) =>
      responder.answer(requestOf(serials.map((serial) => certId(parts.issuer, serial))));
    /** What it says of each. */
    const statuses = async (...serials: readonly Serial[]) =>
      readSigned((await ask(...serials)).der).singles.map(({ status }) => status);
    return { delegates, responder, follow, ask, statuses, signed };
  }

  const issued = (as: Partial<CertificateRecord> = {}): Promise<CertificateRecord> =>
    putCertificate(db.database, parts.issuer.id, account, as);
  const held = (at: number) => ({ at: new Date(at).toISOString(), reason: 6 });
  const never = (): Serial => parseSerial(`7${randomBytes(15).toString("hex")}`);
  const delegatesOnRecord = async (issuer = parts.issuer): Promise<CertificateRecord[]> =>
    (await db.database.certificates.list({ issuer: issuer.id })).filter(
      ({ profile }) => String(profile) === "ocsp-responder",
    );

  test("says what is on record, of every state, in one answer as in several", async () => {
    const { statuses, follow } = await started();
    const paused = await freshAccount(parts);
    const [good, suspended, resumed, plain, superseded] = [
      ...[await issued(), await issued(), await issued(), await issued(), await issued()],
    ] as const;
    const ofPaused = await putCertificate(db.database, parts.issuer.id, paused);
    await suspend(db.database, parts, suspended);
    await suspend(db.database, parts, resumed);
    parts.clock.advance(MINUTE);
    await resume(db.database, parts, resumed);
    await setAccountStatus(db.database, parts, paused.slug, "suspended");
    await revoke(db.database, parts, plain, "unspecified");
    await revoke(db.database, parts, superseded, "superseded");
    await follow();
    const at = new Date(START + MINUTE).toISOString();
    const meant = [
      [good.serial, "good"],
      [suspended.serial, held(START)],
      [resumed.serial, "good"],
      [plain.serial, { at, reason: undefined }],
      [superseded.serial, { at, reason: 4 }],
      [ofPaused.serial, held(START + MINUTE)],
      [never(), "unknown"],
    ] as const;
    expect(await statuses(...meant.map(([serial]) => serial))).toEqual(meant.map(([, status]) => status));
    for (const [serial, status] of meant) expect(await statuses(serial)).toEqual([status]);
  });

  test("knows serial numbers of every shape, and by each issuer only its own", async () => {
    const other = await makeIssuer();
    await recordIssuer(db.database, other, "issuing", freshSlug("issuer"));
    const { statuses, responder } = await started({ issuers: [parts.issuer, other] });
    for (const text of ["1", "7f", "80", "ff00", "8000000000000000", "7f".repeat(20), "ff".repeat(19)]) {
      const { serial } = await issued({ serial: parseSerial(text) });
      expect(await statuses(serial), text).toEqual(["good"]);
      const byOther = await responder.answer(requestOf([certId(other, serial)]));
      expect(readSigned(byOther.der).singles).toMatchObject([{ status: "unknown" }]);
    }
    const mixed = [certId(parts.issuer, "7f"), certId(other, "7f")];
    expect(readAnswer((await responder.answer(requestOf(mixed))).der)).toEqual({ status: 6 });
  });

  test("speaks for no issuer that is not its own, nor one that has ended", async () => {
    const stranger = await makeIssuer("Somebody else's CA");
    const { responder } = await started();
    const ask = async (issuer: Issuer, algorithm?: "sha512") => {
      const how = algorithm ? { algorithm } : {};
      const { der, outcomes, caching } = await responder.answer(requestOf([certId(issuer, "1", how)]));
      return { ...readAnswer(der), outcomes, caching };
    };
    const unauthorized = { status: 6, outcomes: ["unauthorized"], caching: undefined };
    expect(await ask(stranger)).toEqual(unauthorized);
    expect(await ask({ ...stranger, subject: parts.issuer.subject })).toEqual(unauthorized);
    expect(await ask({ ...parts.issuer, subject: stranger.subject })).toEqual(unauthorized);
    expect(await ask(parts.issuer, "sha512")).toEqual(unauthorized);
    parts.clock.advance(6 * 365 * DAY);
    const late = await started();
    expect(readAnswer((await late.ask(never())).der)).toEqual({ status: 6 });
    expect(logger.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("keeps an answer until a change, and tells of the change in the next one", async () => {
    const { ask, statuses, follow, signed } = await started();
    const { serial, fingerprint } = await issued();
    const first = await ask(serial);
    expect(await ask(serial)).toBe(first);
    expect(signed).toEqual([1]);
    expect(first.caching).toMatchObject({ thisUpdate: START, nextUpdate: START + HOUR });

    await issued(); // somebody else's
    await follow();
    expect(await ask(serial)).toBe(first);
    parts.clock.advance(1000);
    const changes: readonly (readonly [() => Promise<unknown>, unknown])[] = [
      [() => suspend(db.database, parts, { fingerprint }), held(START + 1000)],
      [() => resume(db.database, parts, { fingerprint }), "good"],
      [() => setAccountStatus(db.database, parts, account.slug, "suspended"), held(START + 1000)],
      [() => setAccountStatus(db.database, parts, account.slug, "active"), "good"],
      [
        () => revoke(db.database, parts, { fingerprint }, "keyCompromise"),
        { ...held(START + 1000), reason: 1 },
      ],
    ];
    for (const [change, status] of changes) {
      await change();
      await follow();
      expect(await statuses(serial)).toEqual([status]);
      expect(await ask(serial)).toBe(await ask(serial));
    }
    expect(signed).toHaveLength(1 + changes.length);
  });

  test("keeps nothing that was read before a change and signed after it", async () => {
    const { serial, fingerprint } = await issued();
    const { certificates } = db.database;
    let meanwhile = (): Promise<void> => Promise.resolve();
    const slow: Database = {
      ...db.database,
      certificates: {
        ...certificates,
        async standings(...question) {
          const read = await certificates.standings(...question);
          await meanwhile();
          return read;
        },
      },
    };
    const { statuses, follow } = await started({ database: slow });
    meanwhile = async () => {
      meanwhile = () => Promise.resolve();
      await revoke(db.database, parts, { fingerprint }, "superseded");
      await follow();
    };
    expect(await statuses(serial)).toEqual(["good"]); // as it was when it was asked
    expect(await statuses(serial)).toMatchObject([{ reason: 4 }]);
  });

  test("signs anew at half of an answer's life, and when the clock was set back", async () => {
    const { ask } = await started();
    const { serial } = await issued();
    const first = await ask(serial);
    parts.clock.advance(HOUR / 2 - 1);
    expect(await ask(serial)).toBe(first);
    parts.clock.advance(1);
    const second = await ask(serial);
    expect(second.caching).toMatchObject({ thisUpdate: START + HOUR / 2, nextUpdate: START + 1.5 * HOUR });
    parts.clock.advance(-MINUTE);
    expect((await ask(serial)).caching?.thisUpdate).toBe(START + HOUR / 2 - MINUTE);
  });

  test("lets nobody keep what has a nonce, is about several, or not on record", async () => {
    const { ask, responder, signed } = await started();
    const { serial } = await issued();
    const requestExtensions = extensions(2, nonceOf(Buffer.alloc(32, 9)));
    const withNonce = requestOf([certId(parts.issuer, serial)], { requestExtensions });
    const cases = [() => responder.answer(withNonce), () => ask(serial, serial), () => ask(never())];
    for (const answer of cases) {
      const [one, other] = [await answer(), await answer()];
      expect([one.caching, other.caching]).toEqual([undefined, undefined]);
      expect(readSigned(one.der)).toMatchObject({ status: 0, isSigned: true });
    }
    expect(signed).toEqual([1, 1, 2, 2, 1, 1]);
    expect(readSigned((await responder.answer(withNonce)).der).nonce).toBe("09".repeat(32));
    expect(readSigned((await ask(serial)).der).nonce).toBe(undefined);
  });

  test("knows a certificate as soon as it is on record", async () => {
    const { statuses } = await started();
    const serial = never();
    expect(await statuses(serial)).toEqual(["unknown"]);
    await issued({ serial });
    expect(await statuses(serial)).toEqual(["good"]);
  });

  test("asks the database one question at a time, however many ask", async () => {
    const { certificates } = db.database;
    let [asked, atOnce, most] = [0, 0, 0];
    const counting: Database = {
      ...db.database,
      certificates: {
        ...certificates,
        async standings(...question) {
          asked += 1;
          most = Math.max(most, ++atOnce);
          const read = await certificates.standings(...question);
          atOnce -= 1;
          return read;
        },
      },
    };
    const { statuses } = await started({ database: counting });
    const records = [await issued(), await issued()];
    const strangers = Array.from({ length: 600 }, () => statuses(never()));
    const known = await Promise.all(records.map(({ serial }) => statuses(never(), serial, serial)));
    expect(known).toEqual([0, 1].map(() => ["unknown", "good", "good"]));
    expect(new Set((await Promise.all(strangers)).flat())).toEqual(new Set(["unknown"]));
    expect(most).toBe(1);
    expect(asked).toBeLessThan(10);
  });

  test("says when to try later, and that a fault was its own", async () => {
    const failing = (error: Error): Database => ({
      ...db.database,
      certificates: { ...db.database.certificates, standings: () => Promise.reject(error) },
    });
    const asked = async (options: Parameters<typeof started>[0]) => {
      const { der, outcomes } = await (await started(options)).ask(never());
      return [readAnswer(der), outcomes];
    };
    const later = [{ status: 3 }, ["tryLater"]];
    expect(await asked({ database: failing(new Refusal("UNAVAILABLE")) })).toEqual(later);
    expect(await asked({ isCurrent: () => false })).toEqual(later);
    expect(logger.lines.filter(({ level }) => level === "error")).toEqual([]);
    const internal = [{ status: 2 }, ["internalError"]];
    expect(await asked({ database: failing(new Error("a fault")) })).toEqual(internal);
    expect(logger.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  test("delegates with a key of the issuer's strength, on record", async () => {
    for (const [keyType, its] of [
      ["rsa-2048", "ec-p256"],
      ["ml-dsa-44", "ml-dsa-44"],
    ] as const) {
      const issuer = await makeIssuer("CA", await makeKeyPair(keyType));
      await recordIssuer(db.database, issuer, "issuing", freshSlug("issuer"));
      const { responder } = await started({ issuers: [issuer] });
      const read = readSigned((await responder.answer(requestOf([certId(issuer, "1")]))).der);
      expect(read.isSigned).toBe(true);
      const [record, ...others] = await delegatesOnRecord(issuer);
      expect(others).toEqual([]);
      expect(record).toMatchObject({ keyType: its, accountId: undefined, notAfter: START + 3 * DAY });
      expect(Buffer.from(read.certificate)).toEqual(Buffer.from(record?.der ?? []));
    }
  });

  test("renews its delegate at two thirds of its life, by itself", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { ask } = await started();
    const { serial } = await issued();
    const signedBy = async () => Buffer.from(readSigned((await ask(serial)).der).certificate).toString("hex");
    const first = await signedBy();
    parts.clock.advance(2 * DAY - MINUTE);
    vi.advanceTimersByTime(MINUTE);
    expect(await signedBy()).toBe(first);
    parts.clock.advance(2 * MINUTE);
    vi.advanceTimersByTime(MINUTE);
    await eventually(async () => {
      expect(await signedBy()).not.toBe(first);
    });
    expect(await delegatesOnRecord()).toHaveLength(2);
    parts.clock.advance(4 * DAY); // nobody has renewed it
    expect(readAnswer((await ask(serial)).der)).toEqual({ status: 3 });
  });

  test("replaces a delegate that an admin revokes, and what that has signed", async () => {
    const { ask, follow } = await started();
    const { serial } = await issued();
    const first = await ask(serial);
    const [record] = await delegatesOnRecord();
    if (!record) throw new Error("there is a delegate");
    await revoke(db.database, parts, record, "keyCompromise");
    await follow();
    await eventually(async () => {
      expect(await delegatesOnRecord()).toHaveLength(2);
      expect(readAnswer((await ask(serial)).der).status).toBe(0);
    });
    const second = await ask(serial);
    expect(readSigned(second.der).certificate).not.toEqual(readSigned(first.der).certificate);
  });

  test("never speaks beyond its issuer's end, and makes no delegate that could not last longer", async () => {
    parts.clock.advance(parts.issuer.notAfter - START - DAY);
    const { ask, delegates } = await started();
    const { serial } = await issued();
    parts.clock.advance(DAY - MINUTE);
    await delegates.refresh();
    expect((await ask(serial)).caching?.nextUpdate).toBe(parts.issuer.notAfter);
    expect(await delegatesOnRecord()).toMatchObject([{ notAfter: parts.issuer.notAfter }]);
    parts.clock.advance(MINUTE);
    await delegates.refresh();
    expect(readAnswer((await ask(serial)).der)).toEqual({ status: 6 });
  });

  test("goes on for an issuing CA that is retired, which signs nothing else", async () => {
    await db.database.issuers.retire(parts.issuer.id);
    const { statuses } = await started();
    expect(await statuses((await issued()).serial)).toEqual(["good"]);
    expect(await delegatesOnRecord()).toHaveLength(1);
  });

  test("goes on for the others when one has no delegate", async () => {
    const unrecorded = await makeIssuer(); // its certificate cannot be put on record
    const { responder, statuses } = await started({ issuers: [unrecorded, parts.issuer] });
    expect(await statuses(never())).toEqual(["unknown"]);
    const theirs = await responder.answer(requestOf([certId(unrecorded, "1")]));
    expect(readAnswer(theirs.der)).toEqual({ status: 3 });
    expect(logger.lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { issuer: unrecorded.id } },
    ]);
  });
});
