import { afterEach, beforeEach, expect, test } from "vitest";
import type { Change } from "../../src/domain/records.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { CrlPublisher } from "../../src/services/crl-publisher.ts";
import { signFirstCrl } from "../../src/services/crl.ts";
import { revoke } from "../../src/services/revocation.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";
import { onEachDatabase } from "../support/databases.ts";
import { HeldTimers } from "../support/held-timers.ts";
import { eventually } from "../support/eventually.ts";
import {
  freshAccount,
  freshSlug,
  makeCsr,
  makeIssuer,
  makeIssuing,
  recordIssuer,
  testLogger,
  signRecord,
} from "../support/issuing.ts";

onEachDatabase("the CRL publisher", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  let logger: ReturnType<typeof testLogger>;
  let publishers: CrlPublisher[];
  const timers = new HeldTimers();

  beforeEach(async () => {
    timers.hold();
    parts = await makeIssuing(db.database);
    logger = testLogger();
    publishers = [];
  });
  afterEach(async () => {
    for (const publisher of publishers) await publisher.stop();
    timers.release();
  });

  const started = async (overrides: Partial<ConstructorParameters<typeof CrlPublisher>[0]> = {}) => {
    const publisher = new CrlPublisher({
      ...{ ...parts, newCrlBuilder: crlBuilder, issuers: () => [parts.issuer], logger, ...overrides },
    });
    publishers.push(publisher);
    await publisher.start();
    return publisher;
  };
  const latest = (publisher: CrlPublisher) => publisher.latest(parts.issuer.id)?.number;
  const revokedOne = async (): Promise<Change[]> => {
    const account = (await freshAccount(parts)).slug;
    const wanted = { account, csr: await makeCsr(), profile: "client" };
    const certificate = await signRecord(parts, "cli:tester", wanted);
    const { sequence } = await revoke(db.database, parts, certificate, "keyCompromise");
    return db.database.changes.after(sequence - 1, 1);
  };
  const published = () => logger.lines.filter(({ message }) => message === "CRL published").length;

  test("publishes the first CRL, and none when nothing happened since", async () => {
    const first = await started();
    expect(latest(first)).toBe(1);
    await first.stop();
    expect(latest(await started())).toBe(1);
    expect(published()).toBe(1);
  });

  test("publishes at start what was revoked while no server ran", async () => {
    await (await started()).stop();
    await revokedOne();
    expect(latest(await started())).toBe(2);
  });

  test("publishes soon after a revocation, and those that come together in one CRL", async () => {
    const publisher = await started();
    const changes = [...(await revokedOne()), ...(await revokedOne())];
    for (const change of changes) publisher.onChanges([change]);
    publisher.onChanges(await revokedOne());
    expect(latest(publisher)).toBe(1);
    timers.pass(200);
    await eventually(() => {
      expect(latest(publisher)).toBe(2);
    });
    await publisher.stop();
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(2);
    expect(published()).toBe(2);
  });

  test("publishes again for what is revoked after that", async () => {
    const publisher = await started();
    for (const number of [2, 3]) {
      publisher.onChanges(await revokedOne());
      timers.pass(200);
      await eventually(() => {
        expect(latest(publisher)).toBe(number);
      });
    }
  });

  test.each([
    ["for 39 times as long as that took", SECOND, 39 * SECOND],
    ["for no longer than a minute", HOUR, MINUTE],
  ])("rests after a CRL %s", async (_name, took, rest) => {
    const slow = (isLarge: boolean): ReturnType<typeof crlBuilder> => {
      const builder = crlBuilder(isLarge);
      return {
        ...builder,
        async sign(...args) {
          parts.clock.advance(took);
          return builder.sign(...args);
        },
      };
    };
    const publisher = await started({ newCrlBuilder: slow });
    publisher.onChanges(await revokedOne());
    timers.pass(rest - 1);
    await publisher.settled();
    expect(latest(publisher)).toBe(1);
    expect(timers.holds(39 * HOUR)).toBe(false);
    timers.pass(rest);
    await eventually(() => {
      expect(latest(publisher)).toBe(2);
    });
  });

  test("does not publish for changes that no CRL tells of", async () => {
    const publisher = await started();
    const before = await db.database.changes.last();
    await freshAccount(parts);
    publisher.onChanges(await db.database.changes.after(before, 10));
    timers.pass(SECOND);
    await publisher.stop();
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(1);
  });

  test("does not publish what another server has published already, but serves it", async () => {
    const [one, other] = [await started(), await started()];
    const changes = await revokedOne();
    for (const publisher of [one, other]) publisher.onChanges(changes);
    timers.pass(200);
    await eventually(() => {
      expect(latest(one)).toBeGreaterThan(1);
      expect(latest(other)).toBeGreaterThan(1);
    });
    const stored = await db.database.crls.latest(parts.issuer.id);
    const { basis = 0 } = stored ?? {};
    expect(basis).toBeGreaterThanOrEqual(changes[0]?.sequence ?? Infinity);
    const after = await db.database.changes.after(basis - 1, 10);
    for (const publisher of [one, other]) publisher.onChanges(after);
    await eventually(() => {
      expect([latest(one), latest(other)]).toEqual([stored?.number, stored?.number]);
    });
    for (const publisher of [one, other]) await publisher.stop();
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(2);
  });

  test("renews at half of the CRL's life, and not before", async () => {
    const early = await started();
    parts.clock.advance(12 * HOUR - 1);
    timers.pass(MINUTE);
    await early.stop();
    expect(latest(early)).toBe(1);
    const publisher = await started();
    expect(latest(publisher)).toBe(1);
    parts.clock.advance(1);
    timers.pass(MINUTE);
    await eventually(() => {
      expect(latest(publisher)).toBe(2);
    });
    expect(publisher.latest(parts.issuer.id)?.thisUpdate).toBe(parts.clock.now());
  });

  test("serves the other issuers' CRLs as they are, and anew when they are replaced", async () => {
    const root = await makeIssuer("Root");
    await recordIssuer(db.database, root, "root");
    const publisher = await started();
    expect(publisher.latest(root.id)).toBeUndefined();
    const before = await db.database.changes.last();
    const crl = await db.database.transaction((stores) => signFirstCrl(stores, parts, parts.codec, root));
    publisher.onChanges(await db.database.changes.after(before, 10));
    await eventually(() => {
      expect(publisher.latest(root.id)).toEqual(crl);
    });
  });

  test("tells of a failure, keeps serving the last CRL, and tries again after a while", async () => {
    let broken = false;
    const publisher = await started({
      newCrlBuilder(isLarge) {
        const builder = crlBuilder(isLarge);
        return {
          ...builder,
          sign: (...args) => (broken ? Promise.reject(new Error("the HSM is gone")) : builder.sign(...args)),
        };
      },
    });
    broken = true;
    publisher.onChanges(await revokedOne());
    timers.pass(200);
    await eventually(() => {
      expect(logger.lines.some(({ level }) => level === "error")).toBe(true);
    });
    expect(latest(publisher)).toBe(1);
    broken = false;
    timers.pass(5 * SECOND);
    await eventually(() => {
      expect(latest(publisher)).toBe(2);
    });
  });

  test("does nothing more once it is stopped", async () => {
    const publisher = await started();
    await publisher.stop();
    publisher.onChanges(await revokedOne());
    timers.pass(2 * MINUTE);
    await publisher.stop();
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(1);
  });

  test("makes the next one when the one on record lacks octets, and says so", async () => {
    const first = await started();
    await first.stop();
    // As a crash of the database's disk may leave one that went there in pieces.
    await db.query(`UPDATE crls SET staging = 'gone' WHERE issuer_id = '${parts.issuer.id}'`);
    const publisher = await started();
    expect(latest(publisher)).toBe(2);
    expect((await db.database.crls.latest(parts.issuer.id))?.number).toBe(2);
    const message = "the CRL on record is damaged: the next one is due";
    expect(logger.lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { err: { code: "CRL_INVALID" }, issuer: parts.issuer.id }, message },
    ]);
    timers.pass(MINUTE);
    await publisher.stop();
    expect(latest(publisher)).toBe(2);
  });

  test("goes on for the others when one is damaged that somebody else signs", async () => {
    const other = await makeIssuer("Elsewhere");
    await recordIssuer(db.database, other, "issuing", freshSlug("issuer"));
    const elsewhere = await started({ issuers: () => [other] });
    await elsewhere.stop();
    await db.query(`UPDATE crls SET staging = 'gone' WHERE issuer_id = '${other.id}'`);
    const publisher = await started();
    expect(latest(publisher)).toBe(1);
    expect(publisher.latest(other.id)).toBe(undefined);
    // Whoever signs it makes the next, and this server takes it up.
    const before = await db.database.changes.last();
    const there = await started({ issuers: () => [other] });
    expect(there.latest(other.id)?.number).toBe(2);
    publisher.onChanges(await db.database.changes.after(before, 10));
    await eventually(() => {
      expect(publisher.latest(other.id)?.number).toBe(2);
    });
  });
});
