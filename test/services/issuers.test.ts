import { beforeEach, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { type Slug, parseSlug } from "../../src/domain/names.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import type { IssuerRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { CRL_LIFE } from "../../src/domain/crl-schedule.ts";
import {
  installIssuer,
  isNearEnd,
  recordIssuer,
  requireIssuerNamed,
  retireIssuer,
} from "../../src/services/issuers.ts";
import { requireRoot } from "../../src/services/root-crl.ts";
import { issuerRecord } from "../../src/x509/ca-reader.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  clientProfile,
  csrOf,
  expectRefusal,
  freshAccount,
  freshSlug,
  listenerRecord,
  makeIssuer,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";

onEachDatabase("an issuing CA", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
  });

  const install = (issuer: Issuer, name = freshSlug("ca"), codec = parts.codec): Promise<number> =>
    installIssuer(db.database, parts, codec, issuerRecord(issuer.der, name, "issuing"), issuer);
  const onRecord = async ({ id }: Issuer): Promise<IssuerRecord | undefined> =>
    (await db.database.issuers.list()).find((record) => record.id === id);
  const changesSince = (sequence: number) => db.database.changes.after(sequence, 10);

  /** Checks that the work is refused, and that not a row is another than before. */
  async function expectNothingChanged(
    work: () => Promise<unknown>,
    ...refusal: [code: ErrorCode, message?: string]
  ): Promise<void> {
    const before = await db.dump();
    await expectRefusal(work(), ...refusal);
    expect(await db.dump()).toEqual(before);
  }

  test("that is recorded has its key recorded as nobody else's", async () => {
    const issuer = await makeIssuer();
    const record = issuerRecord(issuer.der, freshSlug("ca"), "issuing");
    await db.database.transaction((stores) => recordIssuer(stores, parts, record));
    expect(await onRecord(issuer)).toEqual(record);
    const { spkiHash } = record;
    const key = { spkiHash, keyType: "ec-p256", accountId: undefined, seenAt: START };
    expect(await db.database.keys.byHashes([spkiHash])).toMatchObject([key]);
  });

  test("that is installed has a first CRL, and the change says which it is", async () => {
    const [issuer, name] = [await makeIssuer(), freshSlug("ca")];
    const before = await db.database.changes.last();
    const sequence = await install(issuer, name);
    expect(await onRecord(issuer)).toMatchObject({ name, role: "issuing", status: "active" });
    const crl = { number: 1, thisUpdate: START, nextUpdate: START + CRL_LIFE };
    expect(await db.database.crls.latest(issuer.id)).toMatchObject(crl);
    const detail = { name, keyType: "ec-p256" };
    expect(await changesSince(before)).toMatchObject([
      { action: "crl.publish", subject: issuer.id, detail: { number: 1, entries: 0 } },
      { action: "issuer.install", subject: issuer.id, actor: "cli:tester", time: START, sequence, detail },
    ]);
  });

  test("is refused under a name that is taken, a retired one's too", async () => {
    const [name, message] = [freshSlug("ca"), "An issuer of that name, or with that key, exists already."];
    await install(await makeIssuer(), name);
    const other = await makeIssuer();
    await expectNothingChanged(() => install(other, name), "ISSUER_EXISTS", message);
    await retireIssuer(db.database, parts, name, new Map());
    await expectNothingChanged(() => install(other, name), "ISSUER_EXISTS", message);
  });

  test("is refused with a key that an issuing CA has, under another name and certificate", async () => {
    const pair = await makeKeyPair("ec-p256");
    await install(await makeIssuer("One", pair));
    const other = await makeIssuer("Other", pair);
    await expectNothingChanged(() => install(other), "ISSUER_EXISTS");
  });

  test("is refused with an account's key, and with a listener's", async () => {
    const pair = await makeKeyPair("ec-p256");
    const account = (await freshAccount(parts)).slug;
    await signRecord(parts, "cli:tester", { account, csr: await csrOf(pair), profile: "client" });
    const message = "This key belongs to somebody else. Make a new one.";
    const withAccountsKey = await makeIssuer("Account", pair);
    await expectNothingChanged(() => install(withAccountsKey), "KEY_IN_USE", message);

    const listener = await listenerRecord(parts, "localhost");
    const issuer = await makeIssuer();
    const record = issuerRecord(issuer.der, freshSlug("ca"), "issuing");
    const withItsKey = { ...record, spkiHash: listener.spkiHash };
    const refused = () => installIssuer(db.database, parts, parts.codec, withItsKey, issuer);
    await expectNothingChanged(refused, "KEY_IN_USE", message);
  });

  test("is refused with a key that is blocked", async () => {
    const issuer = await makeIssuer();
    const { spkiHash, keyType } = issuerRecord(issuer.der, freshSlug("ca"), "issuing");
    await db.database.keys.block({ spkiHash, keyType }, START, "found in a public repository");
    const message = "This key is blocked. Make a new one.";
    await expectNothingChanged(() => install(issuer), "KEY_BLOCKED", message);
  });

  test("whose first CRL cannot be signed is not installed", async () => {
    const issuer = await makeIssuer();
    const broken = { ...parts.codec, signCrl: () => Promise.reject(new Error("the HSM is gone")) };
    const before = await db.dump();
    await expect(install(issuer, freshSlug("ca"), broken)).rejects.toThrow("the HSM is gone");
    expect(await db.dump()).toEqual(before);
  });

  test("is one of two that two processes install under one name", async () => {
    const name = freshSlug("ca");
    const issuers = [await makeIssuer(), await makeIssuer()];
    const databases = [await db.open(), await db.open()];
    const attempts = issuers.map((issuer, index) => {
      const record = issuerRecord(issuer.der, name, "issuing");
      return installIssuer(databases[index] ?? db.database, parts, parts.codec, record, issuer);
    });
    const settled = await Promise.allSettled(attempts);
    expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const lost = attempts[settled.findIndex(({ status }) => status === "rejected")];
    await expectRefusal(Promise.resolve(lost), "ISSUER_EXISTS");
    expect((await db.database.issuers.list()).filter((record) => record.name === name)).toHaveLength(1);
  });

  describe("that is retired", () => {
    const retire = (name: Slug, ...profiles: { name: string; issuer: Slug }[]): Promise<number> => {
      const all = profiles.map((profile) => ({
        ...clientProfile,
        ...profile,
        name: parseSlug(profile.name),
      }));
      return retireIssuer(db.database, parts, name, new Map(all.map((profile) => [profile.name, profile])));
    };

    test("stays on record, and the change is recorded", async () => {
      const [issuer, name] = [await makeIssuer(), freshSlug("ca")];
      const before = await install(issuer, name);
      const sequence = await retire(name, { name: "client", issuer: parseSlug("default") });
      expect(await onRecord(issuer)).toMatchObject({ name, status: "retired" });
      expect(await changesSince(before)).toEqual([
        {
          ...{ action: "issuer.retire", subject: issuer.id, actor: "cli:tester", time: START, sequence },
          detail: { name },
        },
      ]);
    });

    test("must be there, and be no root", async () => {
      const [nobody, rootName] = [freshSlug("ca"), freshSlug("root")];
      const message = (name: Slug) => `There is no issuing CA '${name}'.`;
      await expectNothingChanged(() => retire(nobody), "NOT_FOUND", message(nobody));
      const root = issuerRecord((await makeIssuer("Root")).der, rootName, "root");
      await db.database.transaction((stores) => recordIssuer(stores, parts, root));
      expect(await requireRoot(db.database)).toMatchObject({ role: "root" });
      await expectNothingChanged(() => retire(rootName), "NOT_FOUND", message(rootName));
      await expectRefusal(requireIssuerNamed(db.database, rootName), "NOT_FOUND", message(rootName));
    });

    test("cannot be retired again", async () => {
      const name = freshSlug("ca");
      await install(await makeIssuer(), name);
      await retire(name);
      await expectNothingChanged(() => retire(name), "STATE_UNCHANGED", `'${name}' is retired already.`);
    });

    test("is named by no profile any more: each that does is told", async () => {
      const name = freshSlug("ca");
      await install(await makeIssuer(), name);
      const profiles = [
        { name: "client", issuer: name },
        { name: "other", issuer: parseSlug("default") },
        { name: "device", issuer: name },
      ];
      const message = `These profiles still name '${name}': client, device. Change them first.`;
      await expectNothingChanged(() => retire(name, ...profiles), "ISSUER_NEEDED", message);
    });
  });
});

describe("a CA of nine hours is near its end", () => {
  test.each([
    ["at its beginning", 0, false],
    ["a millisecond before two thirds", 6 * HOUR - 1, false],
    ["at two thirds", 6 * HOUR, true],
    ["at its end", 9 * HOUR, true],
    ["after its end", 10 * HOUR, true],
  ])("%s: %o", async (_name, age, expected) => {
    const record = issuerRecord((await makeIssuer()).der, parseSlug("ca"), "issuing");
    const ofNineHours = { ...record, notBefore: START, notAfter: START + 9 * HOUR };
    expect(isNearEnd(ofNineHours, START + age)).toBe(expected);
  });
});
