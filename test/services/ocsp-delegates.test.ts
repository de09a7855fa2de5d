import { expect, onTestFinished, test, vi } from "vitest";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { revoke } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { START, freshSlug, makeIssuer, recordIssuer } from "../support/issuing.ts";
import { OcspScene, never } from "../support/ocsp-scene.ts";
import { certId, readAnswer, readSigned, requestOf } from "../support/ocsp.ts";

onEachDatabase("an issuing CA's delegate for OCSP", (db) => {
  const scene = new OcspScene(db);

  test("delegates with a key of the issuer's strength, on record", async () => {
    for (const [keyType, its] of [
      ["rsa-2048", "ec-p256"],
      ["ml-dsa-44", "ml-dsa-44"],
    ] as const) {
      const issuer = await makeIssuer("CA", await makeKeyPair(keyType));
      await recordIssuer(db.database, issuer, "issuing", freshSlug("issuer"));
      const { responder } = await scene.started({ issuers: [issuer] });
      const read = readSigned((await responder.answer(requestOf([certId(issuer, "1")]))).der);
      expect(read.isSigned).toBe(true);
      const [record, ...others] = await scene.delegatesOnRecord(issuer);
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
    const { ask } = await scene.started();
    const { serial } = await scene.issued();
    const signedBy = async () => Buffer.from(readSigned((await ask(serial)).der).certificate).toString("hex");
    const first = await signedBy();
    scene.parts.clock.advance(2 * DAY - MINUTE);
    vi.advanceTimersByTime(MINUTE);
    expect(await signedBy()).toBe(first);
    scene.parts.clock.advance(2 * MINUTE);
    vi.advanceTimersByTime(MINUTE);
    await eventually(async () => {
      expect(await signedBy()).not.toBe(first);
    });
    expect(await scene.delegatesOnRecord()).toHaveLength(2);
    scene.parts.clock.advance(4 * DAY); // nobody has renewed it
    expect(readAnswer((await ask(serial)).der)).toEqual({ status: 3 });
  });

  test("replaces a delegate that an admin revokes, and what that has signed", async () => {
    const { ask, follow } = await scene.started();
    const { serial } = await scene.issued();
    const first = await ask(serial);
    const [record] = await scene.delegatesOnRecord();
    if (!record) throw new Error("there is a delegate");
    await revoke(db.database, scene.parts, record, "keyCompromise");
    await follow();
    await eventually(async () => {
      expect(await scene.delegatesOnRecord()).toHaveLength(2);
      expect(readAnswer((await ask(serial)).der).status).toBe(0);
    });
    const second = await ask(serial);
    expect(readSigned(second.der).certificate).not.toEqual(readSigned(first.der).certificate);
  });

  test("never speaks beyond its issuer's end, and makes no delegate that could not last longer", async () => {
    scene.parts.clock.advance(scene.parts.issuer.notAfter - START - DAY);
    const { ask, delegates } = await scene.started();
    const { serial } = await scene.issued();
    scene.parts.clock.advance(DAY - MINUTE);
    await delegates.refresh();
    expect((await ask(serial)).caching?.nextUpdate).toBe(scene.parts.issuer.notAfter);
    expect(await scene.delegatesOnRecord()).toMatchObject([{ notAfter: scene.parts.issuer.notAfter }]);
    scene.parts.clock.advance(MINUTE);
    await delegates.refresh();
    expect(readAnswer((await ask(serial)).der)).toEqual({ status: 6 });
  });

  test("goes on for an issuing CA that is retired, which signs nothing else", async () => {
    await db.database.issuers.retire(scene.parts.issuer.id);
    const { statuses } = await scene.started();
    expect(await statuses((await scene.issued()).serial)).toEqual(["good"]);
    expect(await scene.delegatesOnRecord()).toHaveLength(1);
  });

  test("goes on for the others when one has no delegate", async () => {
    const unrecorded = await makeIssuer(); // its certificate cannot be put on record
    const { responder, statuses } = await scene.started({ issuers: [unrecorded, scene.parts.issuer] });
    expect(await statuses(never())).toEqual(["unknown"]);
    const theirs = await responder.answer(requestOf([certId(unrecorded, "1")]));
    expect(readAnswer(theirs.der)).toEqual({ status: 3 });
    expect(scene.logger.lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { issuer: unrecorded.id } },
    ]);
  });
});
