import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { CertificateRecord, CrlHead } from "../../src/domain/records.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { CrlPublisher } from "../../src/services/crl-publisher.ts";
import { signFirstCrl } from "../../src/services/crl.ts";
import { installCrl } from "../../src/services/root-crl.ts";
import { revoke } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { makeIssuer, recordIssuer, testLogger } from "../support/issuing.ts";
import { OcspScene } from "../support/ocsp-scene.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { backUp } from "../support/restored.ts";

onEachDatabase("what is published when the database goes back", (db) => {
  const scene = new OcspScene(db);
  let logger: ReturnType<typeof testLogger>;
  let served: CrlHead[];
  beforeEach(() => {
    logger = testLogger();
    served = [];
  });

  const revoked = (one: CertificateRecord) => revoke(db.database, scene.parts, one, "keyCompromise");
  const started = async (): Promise<CrlPublisher> => {
    const { parts } = scene;
    const publisher = new CrlPublisher({
      ...{ ...parts, newCrlBuilder: crlBuilder, issuers: () => [parts.issuer], logger },
      onCrl: (crl) => served.push(crl),
    });
    onTestFinished(() => publisher.stop());
    await publisher.start();
    return publisher;
  };
  /** Revokes, and waits for the CRL that tells. */
  const publishedWith = async (publisher: CrlPublisher, one: CertificateRecord): Promise<number> => {
    const { sequence } = await revoked(one);
    publisher.onChanges(await db.database.changes.after(sequence - 1, 1));
    const latest = () => publisher.latest(scene.parts.issuer.id);
    await eventually(() => {
      expect(latest()?.basis).toBeGreaterThanOrEqual(sequence);
    });
    return latest()?.number ?? 0;
  };

  test("the next CRL comes at once, above every number that was served, and says what is on record", async () => {
    const { issuer } = scene.parts;
    const [kept, lost, next] = [await scene.issued(), await scene.issued(), await scene.issued()];
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const publisher = await started();
    await publishedWith(publisher, kept);
    const restore = await backUp(db);
    await publishedWith(publisher, lost);
    const last = await publishedWith(publisher, await scene.issued());
    await restore();
    expect((await db.database.crls.head(issuer.id))?.number).toBe(last - 2);
    publisher.onWentBack();
    await eventually(() => {
      expect(publisher.latest(issuer.id)?.number).toBe(last + 1);
    });
    const crl = publisher.latest(issuer.id);
    expect(crl).toEqual(await db.database.crls.latest(issuer.id));
    expect(crl?.base?.number).toBe(last + 1);
    const entries = () =>
      readCrl(publisher.latest(issuer.id)?.der ?? Buffer.alloc(0), issuer.der).entries.map(
        ({ serial }) => serial,
      );
    expect(entries()).toEqual([kept.serial]);
    // Of a number below what the lost ones had.
    expect(await publishedWith(publisher, next)).toBe(last + 2);
    expect(entries().sort()).toEqual([kept.serial, next.serial].sort());
    const numbers = served.map(({ number }) => number);
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    // Nothing more is due: what was wanted before is lost.
    vi.advanceTimersByTime(MINUTE);
    await publisher.stop();
    expect(publisher.latest(issuer.id)?.number).toBe(last + 2);
  });

  test("a root's CRL that is lost is served on, and asked for", async () => {
    const root = await makeIssuer("Root");
    await recordIssuer(db.database, root, "root");
    const publisher = await started();
    const first = await db.database.transaction((stores) =>
      signFirstCrl(stores, scene.parts, scene.parts.codec, root),
    );
    const restore = await backUp(db);
    const { basis } = await installCrl(db.database, scene.parts, { ...first, number: 2 });
    const published = await db.database.changes.after(basis - 1, 1);
    publisher.onChanges(published);
    await eventually(() => {
      expect(publisher.latest(root.id)?.number).toBe(2);
    });
    await restore();
    publisher.onWentBack();
    await eventually(() => {
      expect(logger.lines).toContainEqual({
        level: "error",
        fields: { issuer: root.id, number: 2 },
        message: "the database has lost this root's CRL: install it again",
      });
    });
    publisher.onChanges(published);
    await publisher.stop();
    expect(publisher.latest(root.id)?.number).toBe(2);
  });

  test("OCSP answers by what is on record now, and a delegate that is not is replaced", async () => {
    const certificate = await scene.issued();
    const restore = await backUp(db);
    const { responder, delegates, follow, statuses } = await scene.started();
    const delegate = () => delegates.delegateOf(scene.parts.issuer.id);
    const first = delegate();
    await revoked(certificate);
    await follow();
    expect(await statuses(certificate.serial)).toMatchObject([{ reason: 1 }]);
    await restore();
    responder.onWentBack();
    await delegates.onWentBack();
    expect(await statuses(certificate.serial)).toEqual(["good"]);
    expect(delegate().fingerprint).not.toBe(first.fingerprint);
    expect((await scene.delegatesOnRecord()).map(({ fingerprint }) => fingerprint)).toEqual([
      delegate().fingerprint,
    ]);
    const second = delegate();
    await delegates.onWentBack();
    expect(delegate()).toBe(second);
  });
});
