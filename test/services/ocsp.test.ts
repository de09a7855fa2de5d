import { expect, onTestFinished, test } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { parseSerial } from "../../src/domain/identifiers.ts";
import type { Database, Issuer } from "../../src/domain/ports.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshAccount, freshSlug, makeIssuer, recordIssuer } from "../support/issuing.ts";
import { OcspScene, never } from "../support/ocsp-scene.ts";
import { certId, extensions, nonceOf, readAnswer, readSigned, requestOf } from "../support/ocsp.ts";
import { cuttableWay } from "../support/outage.ts";
import { putCertificate } from "../storage/records.ts";

onEachDatabase("the OCSP responder", (db) => {
  const scene = new OcspScene(db);

  test("says what is on record, of every state, in one answer as in several", async () => {
    const { statuses, follow } = await scene.started();
    const paused = await freshAccount(scene.parts);
    const [good, suspended, resumed, plain, superseded] = [
      ...[
        await scene.issued(),
        await scene.issued(),
        await scene.issued(),
        await scene.issued(),
        await scene.issued(),
      ],
    ] as const;
    const ofPaused = await putCertificate(db.database, scene.parts.issuer.id, paused);
    await suspend(db.database, scene.parts, suspended);
    await suspend(db.database, scene.parts, resumed);
    scene.parts.clock.advance(MINUTE);
    await resume(db.database, scene.parts, resumed);
    await setAccountStatus(db.database, scene.parts, paused.slug, "suspended");
    await revoke(db.database, scene.parts, plain, "unspecified");
    await revoke(db.database, scene.parts, superseded, "superseded");
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
    const { statuses, responder } = await scene.started({ issuers: [scene.parts.issuer, other] });
    for (const text of ["1", "7f", "80", "ff00", "8000000000000000", "7f".repeat(20), "ff".repeat(19)]) {
      const { serial } = await scene.issued({ serial: parseSerial(text) });
      expect(await statuses(serial), text).toEqual(["good"]);
      const byOther = await responder.answer(requestOf([certId(other, serial)]));
      expect(readSigned(byOther.der).singles).toMatchObject([{ status: "unknown" }]);
    }
    const mixed = [certId(scene.parts.issuer, "7f"), certId(other, "7f")];
    expect(readAnswer((await responder.answer(requestOf(mixed))).der)).toEqual({ status: 6 });
  });

  test("knows nothing of a registered certificate of another CA, by whichever CA it is asked about", async () => {
    const partner = await makeIssuer("Partner CA");
    await recordIssuer(db.database, partner, "foreign", freshSlug("foreign"));
    const { statuses, responder } = await scene.started();
    const { serial } = await putCertificate(db.database, partner.id, scene.account);
    expect(await statuses(serial)).toEqual(["unknown"]);
    const byPartner = await responder.answer(requestOf([certId(partner, serial)]));
    expect(byPartner.outcomes).toEqual(["unauthorized"]);
  });

  test("speaks for no issuer that is not its own, nor one that has ended", async () => {
    const stranger = await makeIssuer("Somebody else's CA");
    const { responder } = await scene.started();
    const ask = async (issuer: Issuer, algorithm?: "sha512") => {
      const how = algorithm ? { algorithm } : {};
      const { der, outcomes, caching } = await responder.answer(requestOf([certId(issuer, "1", how)]));
      return { ...readAnswer(der), outcomes, caching };
    };
    const unauthorized = { status: 6, outcomes: ["unauthorized"], caching: undefined };
    expect(await ask(stranger)).toEqual(unauthorized);
    expect(await ask({ ...stranger, subject: scene.parts.issuer.subject })).toEqual(unauthorized);
    expect(await ask({ ...scene.parts.issuer, subject: stranger.subject })).toEqual(unauthorized);
    expect(await ask(scene.parts.issuer, "sha512")).toEqual(unauthorized);
    scene.parts.clock.advance(6 * 365 * DAY);
    const late = await scene.started();
    expect(readAnswer((await late.ask(never())).der)).toEqual({ status: 6 });
    expect(scene.logger.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("keeps an answer until a change, and tells of the change in the next one", async () => {
    const { ask, statuses, follow, signed } = await scene.started();
    const { serial, fingerprint } = await scene.issued();
    const first = await ask(serial);
    expect(await ask(serial)).toBe(first);
    expect(signed).toEqual([1]);
    expect(first.caching).toMatchObject({ thisUpdate: START, nextUpdate: START + HOUR });

    await scene.issued(); // somebody else's
    await follow();
    expect(await ask(serial)).toBe(first);
    scene.parts.clock.advance(1000);
    const changes: readonly (readonly [() => Promise<unknown>, unknown])[] = [
      [() => suspend(db.database, scene.parts, { fingerprint }), held(START + 1000)],
      [() => resume(db.database, scene.parts, { fingerprint }), "good"],
      [() => setAccountStatus(db.database, scene.parts, scene.account.slug, "suspended"), held(START + 1000)],
      [() => setAccountStatus(db.database, scene.parts, scene.account.slug, "active"), "good"],
      [
        () => revoke(db.database, scene.parts, { fingerprint }, "keyCompromise"),
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
    const { serial, fingerprint } = await scene.issued();
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
    const { statuses, follow } = await scene.started({ database: slow });
    meanwhile = async () => {
      meanwhile = () => Promise.resolve();
      await revoke(db.database, scene.parts, { fingerprint }, "superseded");
      await follow();
    };
    expect(await statuses(serial)).toEqual(["good"]); // as it was when it was asked
    expect(await statuses(serial)).toMatchObject([{ reason: 4 }]);
  });

  test("signs anew at half of an answer's life, and when the clock was set back", async () => {
    const { ask } = await scene.started();
    const { serial } = await scene.issued();
    const first = await ask(serial);
    scene.parts.clock.advance(HOUR / 2 - 1);
    expect(await ask(serial)).toBe(first);
    scene.parts.clock.advance(1);
    const second = await ask(serial);
    expect(second.caching).toMatchObject({ thisUpdate: START + HOUR / 2, nextUpdate: START + 1.5 * HOUR });
    scene.parts.clock.advance(-MINUTE);
    expect((await ask(serial)).caching?.thisUpdate).toBe(START + HOUR / 2 - MINUTE);
  });

  test("lets nobody keep what has a nonce, is about several, or not on record", async () => {
    const { ask, responder, signed } = await scene.started();
    const { serial } = await scene.issued();
    const requestExtensions = extensions(2, nonceOf(Buffer.alloc(32, 9)));
    const withNonce = requestOf([certId(scene.parts.issuer, serial)], { requestExtensions });
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
    const { statuses } = await scene.started();
    const serial = never();
    expect(await statuses(serial)).toEqual(["unknown"]);
    await scene.issued({ serial });
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
    const { statuses } = await scene.started({ database: counting });
    const records = [await scene.issued(), await scene.issued()];
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
    const asked = async (options: Parameters<OcspScene["started"]>[0]) => {
      const { der, outcomes } = await (await scene.started(options)).ask(never());
      return [readAnswer(der), outcomes];
    };
    const later = [{ status: 3 }, ["tryLater"]];
    expect(await asked({ database: failing(new Refusal("UNAVAILABLE")) })).toEqual(later);
    expect(await asked({ isCurrent: () => false })).toEqual(later);
    expect(scene.logger.lines.filter(({ level }) => level === "error")).toEqual([]);
    const internal = [{ status: 2 }, ["internalError"]];
    expect(await asked({ database: failing(new Error("a fault")) })).toEqual(internal);
    expect(scene.logger.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  if (db.kind === "PostgreSQL") {
    test("says to try later while the database is gone, and goes on after", async () => {
      const way = await cuttableWay("url" in db.location ? db.location.url : "");
      onTestFinished(() => way.close());
      const { ask, statuses } = await scene.started({ database: await db.openAt({ url: way.url }) });
      const [kept, other] = [await scene.issued(), await scene.issued()];
      const first = await ask(kept.serial);
      await way.whileCut(async () => {
        expect(readAnswer((await ask(other.serial)).der)).toEqual({ status: 3 });
        expect(await ask(kept.serial)).toBe(first);
      });
      expect(await statuses(other.serial)).toEqual(["good"]);
      expect(scene.logger.lines.filter(({ level }) => level === "error")).toEqual([]);
    });
  }
});

function held(at: number) {
  return { at: new Date(at).toISOString(), reason: 6 };
}
