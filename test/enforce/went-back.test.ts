import { randomUUID } from "node:crypto";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { steadyClock } from "../../src/domain/steady-clock.ts";
import { type Slug, parseSlug } from "../../src/domain/names.ts";
import { Authenticator } from "../../src/enforce/authenticator.ts";
import { CredentialIndex } from "../../src/enforce/credential-index.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { revoke } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { START, freshAccount, makeCsr, makeIssuing, signRecord, testLogger } from "../support/issuing.ts";
import { backUp } from "../support/restored.ts";

onEachDatabase("what is in memory when the database goes back", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  let index: CredentialIndex;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    index = new CredentialIndex(db.database);
  });

  const issued = async (owner?: Slug): Promise<CertificateRecord> => {
    const account = owner ?? (await freshAccount(parts)).slug;
    return signRecord(parts, "cli:tester", { account, csr: await makeCsr(), profile: "client" });
  };
  const revoked = (one: CertificateRecord) => revoke(db.database, parts, one, "keyCompromise");
  const status = ({ fingerprint }: CertificateRecord) => index.get(fingerprint)?.status;

  test("has as revoked what was, also where the database has it as active", async () => {
    const [lost, kept, good] = [await issued(), await issued(), await issued()];
    await revoked(kept);
    const restore = await backUp(db);
    await revoked(lost);
    await index.load(START);
    await restore();
    expect(await index.loadAnew(START)).toEqual([lost.fingerprint]);
    expect([lost, kept, good].map(status)).toEqual(["revoked", "revoked", "active"]);
    // And again, from what it has itself kept.
    expect(await index.loadAnew(START)).toEqual([lost.fingerprint]);
    expect(status(lost)).toBe("revoked");
  });

  test("has nothing that is on record no more, and whatever else the database has", async () => {
    const suspended = await issued();
    const account = parseSlug(suspended.account ?? "");
    await setAccountStatus(db.database, parts, account, "suspended");
    const restore = await backUp(db);
    await setAccountStatus(db.database, parts, account, "active");
    const gone = [await issued(), await issued()] as const;
    await revoked(gone[1]);
    await index.load(START);
    expect(gone.map(status)).toEqual(["active", "revoked"]);
    await restore();
    expect(await index.loadAnew(START)).toEqual([]);
    expect(gone.map(status)).toEqual([undefined, undefined]);
    expect(await index.fetch(gone[0].fingerprint)).toBeUndefined();
    expect(index.get(suspended.fingerprint)?.account.status).toBe("suspended");
  });

  test("never turns what is revoked into anything else, whatever change is applied", async () => {
    const certificate = await issued();
    const restore = await backUp(db);
    const { sequence } = await revoked(certificate);
    await index.load(START);
    const changes = await db.database.changes.after(sequence - 1, 1);
    await restore();
    await index.apply(changes);
    expect(status(certificate)).toBe("revoked");
  });

  test("does not keep what was looked up before, and is found no more", async () => {
    const { slug } = await freshAccount(parts);
    const restore = await backUp(db);
    const certificate = await issued(slug);
    const { certificates } = db.database;
    let hold: (() => void) | undefined;
    const slow = new CredentialIndex({
      ...db.database,
      certificates: {
        ...certificates,
        async credentials(fingerprints) {
          const found = await certificates.credentials(fingerprints);
          if (!hold) await new Promise<void>((resolve) => (hold = resolve));
          return found;
        },
      },
    });
    const fetching = slow.fetch(certificate.fingerprint);
    await eventually(() => {
      expect(hold).toBeDefined();
    });
    await restore();
    await slow.loadAnew(START);
    hold?.();
    expect(await fetching).toBeUndefined();
    expect(slow.get(certificate.fingerprint)).toBeUndefined();
  });

  test("is loaded anew by the authenticator, which names the revocations that were lost", async () => {
    const certificates: CertificateRecord[] = [];
    for (let made = 0; made < 3; made += 1) certificates.push(await issued());
    const logger = testLogger();
    let told = 0;
    const authenticator = await Authenticator.start({
      ...{
        database: db.database,
        clock: parts.clock,
        validityClock: steadyClock(parts.clock, () => 0),
        logger,
      },
      identity: { id: randomUUID(), pid: process.pid, host: "test" },
      onWentBack: () => {
        told += 1;
        return Promise.resolve();
      },
    });
    onTestFinished(() => authenticator.close());
    const anchors = authenticator.trust.own;
    let trusted = 0;
    authenticator.trust.onChanged(() => (trusted += 1));
    const restore = await backUp(db);
    for (const one of certificates) await revoked(one);
    const { issuer: more } = await makeIssuing(db.database); // which goes again
    const install = {
      action: "issuer.install",
      subject: more.id,
      time: START,
      actor: "t",
      detail: {},
    } as const;
    await db.database.changes.append([install]);
    await eventually(() => {
      expect(trusted).toBe(1);
    });
    await restore();
    await eventually(() => {
      expect(told).toBe(1);
    });
    const lost = certificates.map(({ fingerprint }) => fingerprint).sort();
    const fields = logger.lines.flatMap(({ fields: own }) => ("fingerprints" in own ? [own] : []));
    expect(fields).toEqual([{ count: 3, fingerprints: lost }]);
    expect(trusted).toBe(2);
    expect(authenticator.trust.own).toEqual(anchors);
  });
});
