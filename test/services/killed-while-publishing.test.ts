import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { CertificateRecord, CrlRecord } from "../../src/domain/records.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { CrlMaker } from "../../src/services/crl-maker.ts";
import { CrlPublisher } from "../../src/services/crl-publisher.ts";
import { revoke } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { toPem } from "../../src/x509/pem.ts";
import { judgedCrl } from "../support/crls.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import {
  freshAccount,
  freshSlug,
  makeIssuer,
  makeIssuing,
  recordIssuer,
  testLogger,
} from "../support/issuing.ts";
import { type Point, type PublishOrders, longUrl, points } from "../support/killed-publishing.ts";
import { projectRoot, run } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";
import { putCertificate } from "../storage/records.ts";

const program = join(projectRoot, "test/support/killed-publishing.ts");
/** From here on the new CRL is the one that everybody gets. */
const out = points.indexOf("replace 1 committed");

onEachDatabase("a process that is killed while it publishes a large CRL", (db) => {
  /** Not each piece after the first; and what lies between transactions is the same on both. */
  const again: readonly Point[] = ["stage 2 committed", "unstage 1 committed"];
  const within: readonly Point[] = ["stage 2", "replace 1"];
  const tried = db.kind === "SQLite" ? points.filter((point) => !again.includes(point)) : within;
  test.each(tried)("at '%s' leaves one CRL or the other, and nothing for ever", async (point: Point) => {
    const workspace = await testWorkspace();
    const pair = await makeKeyPair("ec-p256");
    const issuer = await makeIssuer("Killed CA", pair);
    await recordIssuer(db.database, issuer, "issuing", freshSlug("issuer"));
    const parts = { ...(await makeIssuing(db.database)), issuer, publicUrl: longUrl };
    const { clock } = parts;
    const ca = workspace.file("ca.pem");
    writeFileSync(ca, toPem("CERTIFICATE", issuer.der));
    const account = await freshAccount(parts);
    const ended = async (): Promise<CertificateRecord> => {
      const certificate = await putCertificate(db.database, issuer.id, account);
      await revoke(db.database, parts, certificate, "superseded");
      return certificate;
    };
    const stored = async (database = db.database): Promise<CrlRecord> => {
      const crl = await database.crls.latest(issuer.id);
      if (!crl) throw new Error("there is one");
      return crl;
    };

    const gone = [await ended()];
    const maker = new CrlMaker({ ...parts, newCrlBuilder: crlBuilder });
    await maker.publish(parts, issuer);
    await maker.close();
    const first = await stored();
    gone.push(await ended());
    clock.advance(MINUTE);

    const orders: PublishOrders = {
      ...{ location: db.location, now: clock.now(), point },
      issuer: {
        der: Buffer.from(issuer.der).toString("base64"),
        key: pair.privateKey.export({ format: "pem", type: "pkcs8" }),
      },
    };
    const file = workspace.file("orders.json");
    writeFileSync(file, JSON.stringify(orders));
    expect(await run(process.execPath, [program, file])).toEqual({ code: null, stdout: "", stderr: "" });

    // Another server reads the old one, whole, or the new one.
    const isOut = points.indexOf(point) >= out;
    const found = await stored(await db.open());
    expect(found.number).toBe(isOut ? 2 : 1);
    if (!isOut) expect(Buffer.from(found.der).equals(Buffer.from(first.der))).toBe(true);

    // What is served while the next one is made is what was there.
    let [signs, onSign] = [Promise.resolve(), (): void => undefined];
    const hold = (): (() => void) => {
      let release = (): void => undefined;
      signs = new Promise((resolve) => (release = resolve));
      return release;
    };
    const publisher = new CrlPublisher({
      ...{ ...parts, issuers: () => [issuer], logger: testLogger() },
      newCrlBuilder: (isLarge) => {
        const builder = crlBuilder(isLarge);
        return {
          ...builder,
          async sign(...args) {
            onSign();
            await signs;
            return builder.sign(...args);
          },
        };
      },
    });
    onTestFinished(() => publisher.stop());
    const release = hold();
    const signing = new Promise<void>((resolve) => (onSign = resolve));
    const starting = publisher.start();
    await Promise.race([signing, starting]);
    expect(publisher.latest(issuer.id)?.number).toBe(found.number);
    expect(Buffer.from(publisher.latest(issuer.id)?.der ?? []).equals(Buffer.from(found.der))).toBe(true);
    release();
    await starting;
    const second = await stored();
    expect(second.number).toBe(2);
    if (isOut) expect(Buffer.from(second.der).equals(Buffer.from(found.der))).toBe(true);

    // And the next change is in the one after it.
    const before = await db.database.changes.last();
    gone.push(await ended());
    publisher.onChanges(await db.database.changes.after(before, 1));
    await eventually(() => {
      expect(publisher.latest(issuer.id)?.number).toBe(3);
    });
    await publisher.stop();
    for (const [crl, count] of [
      [second, 2],
      [await stored(), 3],
    ] as const) {
      const { number, entries } = await judgedCrl(crl.der, ca);
      expect(number).toBe(crl.number);
      const serials = gone.slice(0, count).map(({ serial }) => serial);
      expect(entries.map(({ serial }) => serial)).toEqual(serials.sort());
    }

    const numbers = (await db.database.changes.after(0, 100_000))
      .filter(({ action, subject }) => action === "crl.publish" && subject === issuer.id)
      .map(({ detail }) => detail["number"]);
    expect(numbers).toEqual([1, 2, 3]);
    // No piece is there but the last one's.
    const pieces = await db.query(
      `SELECT p.position, c.number FROM crl_chunks p LEFT JOIN crls c ON c.staging = p.staging
        WHERE p.issuer_id = '${issuer.id}' ORDER BY p.position`,
    );
    expect(pieces.map(({ position, number }) => [Number(position), Number(number)])).toEqual([
      [0, 3],
      [1, 3],
    ]);
  });
});
