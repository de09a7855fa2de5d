import { beforeAll, expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { noLimits, parseRate } from "../../src/domain/call-limits.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY } from "../../src/domain/time.ts";
import { createAccount, noRights, requireAccount, updateAccount } from "../../src/services/accounts.ts";
import { updateCredential } from "../../src/services/credentials.ts";
import { explain } from "../../src/services/explain.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  expectRefusal,
  freshAccount,
  freshSlug,
  makeCsr,
  makeIssuing,
  signRecord,
  testClock,
} from "../support/issuing.ts";

onEachDatabase("limits", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });
  const issued = async (): Promise<CertificateRecord> => {
    const account = (await freshAccount(parts)).slug;
    return signRecord(parts, "cli:tester", { account, csr: await makeCsr(), profile: "client" });
  };
  const all = {
    ...{ allowIps: [parseCidr("192.0.2.0/24")], denyIps: [parseCidr("::ffff:192.0.2.7")] },
    ...{ rate: { ...parseRate("100/1m"), burst: 7 }, maxConnections: 3 },
  };
  const lastDetail = async () => (await db.database.changes.newest())?.detail;

  test("of an account are kept, changed one by one, and taken away; the record says what", async () => {
    const slug = freshSlug();
    await createAccount(db.database, parts, { ...noRights, ...all, slug });
    expect(await requireAccount(db.database, slug)).toMatchObject(all);
    await updateAccount(db.database, parts, slug, {}, 9);
    expect((await requireAccount(db.database, slug)).rate?.burst).toBe(9);
    expect(await lastDetail()).toEqual({ rate: { ...all.rate, burst: 9 } });
    await updateAccount(db.database, parts, slug, { rate: undefined, maxConnections: undefined });
    expect(await lastDetail()).toEqual({ rate: null, maxConnections: null });
    const left = { ...noLimits, allowIps: all.allowIps, denyIps: all.denyIps };
    expect(await requireAccount(db.database, slug)).toMatchObject(left);
  });

  test("of a credential are what callers are decided by, and what is loaded at a start", async () => {
    const { fingerprint } = await issued();
    const scopes = [parseScope("orders:read")];
    const { certificate } = await updateCredential(db.database, parts, { fingerprint }, { ...all, scopes });
    expect(certificate).toMatchObject({ limits: all, scopes });
    expect(await db.database.certificates.byFingerprint(fingerprint)).toEqual(certificate);
    expect(await db.database.certificates.credentials([fingerprint])).toMatchObject([
      { limits: all, scopes },
    ]);
    const live = [];
    for await (const page of db.database.certificates.live(START)) live.push(...page);
    expect(live.find((one) => one.fingerprint === fingerprint)).toMatchObject({ limits: all, scopes });
    await updateCredential(db.database, parts, { fingerprint }, { ...noLimits, scopes: undefined });
    expect(await db.database.certificates.credentials([fingerprint])).toMatchObject([
      { limits: undefined, scopes: undefined },
    ]);
    expect(await lastDetail()).toMatchObject({ scopes: null, rate: null, allowIps: [] });
  });

  test("are named by why", async () => {
    const { fingerprint, account } = await issued();
    await updateCredential(db.database, parts, { fingerprint }, all);
    const presented = { authorized: true, fault: undefined, signedByUs: true, isCa: false, clientAuth: true };
    const why = (address: string) =>
      explain(db.database, { fingerprint, ...presented }, { now: START, address, scopes: [] });
    expect((await why("192.0.2.8")).code).toBe("ALLOWED");
    const of = `credential of account ${String(account)}`;
    expect(await why("192.0.2.7")).toMatchObject({ rule: `${of}: deny-ip 192.0.2.7/32 holds 192.0.2.7` });
    expect(await why("203.0.113.1")).toMatchObject({
      rule: `${of}: allow-ip 192.0.2.0/24 does not hold 203.0.113.1`,
    });
  });

  test("of what has ended stay as they are", async () => {
    const { fingerprint } = await issued();
    const later = { actor: "cli:tester", clock: testClock(START + 100 * DAY) };
    const before = await db.dump();
    await expectRefusal(
      updateCredential(db.database, later, { fingerprint }, all),
      "CREDENTIAL_ENDED",
      "The certificate has expired.",
    );
    expect(await db.dump()).toEqual(before);
  });
});
