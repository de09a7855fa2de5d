import { randomBytes } from "node:crypto";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { Stores } from "../../src/domain/ports.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { CredentialIndex } from "../../src/enforce/credential-index.ts";
import { createAccount, noRights, setAccountStatus } from "../../src/services/accounts.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshSlug, makeCsr, makeIssuing, signRecord, listenerRecord } from "../support/issuing.ts";

onEachDatabase("the credentials in memory", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  let index: CredentialIndex;
  let applied: number;

  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });
  beforeEach(async () => {
    index = new CredentialIndex(db.database);
    applied = await db.database.changes.last();
  });

  const catchUp = async (): Promise<void> => {
    const changes = await db.database.changes.after(applied, 1000);
    applied = changes.at(-1)?.sequence ?? applied;
    await index.apply(changes);
  };
  const account = async () =>
    (
      await createAccount(db.database, parts, {
        ...noRights,
        slug: freshSlug(),
        scopes: [parseScope("orders:read")],
        allowIps: [parseCidr("192.0.2.0/24")],
      })
    ).slug;
  const issued = async (owner?: CertificateRecord["account"]): Promise<CertificateRecord> =>
    signRecord(parts, "cli:tester", {
      account: owner ?? (await account()),
      csr: await makeCsr(),
      profile: "client",
    });

  test("are those on record that have not ended, with their accounts", async () => {
    const certificate = await issued();
    await index.load(START);
    const { fingerprint, serial, issuerId, notBefore, notAfter } = certificate;
    const credential = index.get(fingerprint);
    expect(credential).toMatchObject({
      fingerprint,
      serial,
      issuer: issuerId,
      notBefore,
      notAfter,
      status: "active",
    });
    expect(credential?.account).toMatchObject({ slug: certificate.account, scopes: ["orders:read"] });
    expect(credential?.account.allowsAddress?.("192.0.2.9")).toBe(true);
    expect(credential?.account.allowsAddress?.("198.51.100.9")).toBe(false);

    const later = new CredentialIndex(db.database);
    await later.load(START + 2 * DAY);
    expect(later.size).toBe(0);
    expect(later.get(fingerprint)).toBeUndefined();
  });

  test("follow each change of a certificate", async () => {
    const certificate = await issued();
    const status = () => index.get(certificate.fingerprint)?.status;
    expect(status()).toBeUndefined();
    await catchUp();
    expect(status()).toBe("active");
    await suspend(db.database, parts, certificate);
    await catchUp();
    expect(status()).toBe("suspended");
    await resume(db.database, parts, certificate);
    await catchUp();
    expect(status()).toBe("active");
    await revoke(db.database, parts, certificate, "keyCompromise");
    await catchUp();
    expect(status()).toBe("revoked");
  });

  test("follow their account, all of them at once, and one that is held on to as well", async () => {
    const owner = await account();
    const [one, other, stranger] = [await issued(owner), await issued(owner), await issued()];
    await catchUp();
    const held = index.get(one.fingerprint);
    await setAccountStatus(db.database, parts, owner, "suspended");
    await catchUp();
    expect(held?.account.status).toBe("suspended");
    expect(index.get(other.fingerprint)?.account.status).toBe("suspended");
    expect(index.get(stranger.fingerprint)?.account.status).toBe("active");
    await setAccountStatus(db.database, parts, owner, "active");
    await catchUp();
    expect(held?.account.status).toBe("active");
  });

  test("are the same when the changes are applied twice, or late", async () => {
    const certificate = await issued();
    await revoke(db.database, parts, certificate, "keyCompromise");
    const changes = await db.database.changes.after(applied, 1000);
    for (const change of changes) await index.apply([change]);
    await index.apply(changes);
    for (const change of changes.slice(0, 2)) await index.apply([change]);
    expect(index.get(certificate.fingerprint)?.status).toBe("revoked");
    expect(index.size).toBe(1);
  });

  test("do not include the certificates of our own listeners", async () => {
    const { fingerprint } = await listenerRecord(parts, "localhost");
    await catchUp();
    expect(await index.fetch(fingerprint)).toBeUndefined();
    await index.load(START);
    expect(index.get(fingerprint)).toBeUndefined();
  });

  test("are fetched from the store one by one, with an account that was not known, and kept", async () => {
    const certificate = await issued();
    const fetched = await index.fetch(certificate.fingerprint);
    expect(fetched).toMatchObject({ status: "active", account: { slug: certificate.account } });
    expect(index.get(certificate.fingerprint)).toEqual(fetched);
    expect(await index.fetch(parseFingerprint(randomBytes(32).toString("hex")))).toBeUndefined();
  });

  test("that ended more than an hour ago are forgotten, and still known to the store", async () => {
    const { fingerprint, notAfter } = await issued();
    await catchUp();
    await index.prune(notAfter + HOUR);
    expect(index.get(fingerprint)).toBeDefined();
    await index.prune(notAfter + HOUR + 1);
    expect(index.get(fingerprint)).toBeUndefined();
    expect(await index.fetch(fingerprint)).toMatchObject({ fingerprint });
  });

  /** What gives a look-up its answer late: the follower's next round comes before it. */
  const slowStores = (): { stores: Stores; read: Promise<void>; answer: () => void } => {
    const read = Promise.withResolvers<undefined>();
    const answer = Promise.withResolvers<undefined>();
    const late = async <Found>(reading: Promise<Found>): Promise<Found> => {
      const found = await reading;
      read.resolve(undefined);
      await answer.promise;
      return found;
    };
    const { accounts, certificates } = db.database;
    let asked = 0;
    const stores: Stores = {
      ...db.database,
      accounts: { ...accounts, byId: (id) => late(accounts.byId(id)) },
      certificates: {
        ...certificates,
        credentials: (some) => {
          const reading = certificates.credentials(some);
          return asked++ === 0 ? late(reading) : reading;
        },
      },
    };
    const resolve = () => {
      answer.resolve(undefined);
    };
    return { stores, read: read.promise.then(() => undefined), answer: resolve };
  };

  test("that were revoked while a look-up was under way stay revoked", async () => {
    const certificate = await issued();
    const { fingerprint } = certificate;
    const { stores, read, answer } = slowStores();
    index = new CredentialIndex(stores);
    const lookup = index.fetch(fingerprint);
    await read;
    await revoke(db.database, parts, certificate, "keyCompromise");
    await catchUp();
    expect(index.get(fingerprint)?.status).toBe("revoked");
    answer();
    expect((await lookup)?.status).toBe("revoked");
    expect(index.get(fingerprint)?.status).toBe("revoked");
  });

  test("whose account was suspended while a look-up was under way stay suspended", async () => {
    const owner = await account();
    const { fingerprint } = await issued(owner);
    applied = await db.database.changes.last();
    const { stores, read, answer } = slowStores();
    // The certificate is read at once, the account late.
    index = new CredentialIndex({ ...stores, certificates: db.database.certificates });
    const lookup = index.fetch(fingerprint);
    await read;
    await setAccountStatus(db.database, parts, owner, "suspended");
    await catchUp();
    answer();
    expect((await lookup)?.account.status).toBe("suspended");
  });
});
