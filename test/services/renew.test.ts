import { X509Certificate } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { noLimits } from "../../src/domain/call-limits.ts";
import type { Decision, PresentedCertificate } from "../../src/domain/decision.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { type RenewalParts, renew } from "../../src/services/issue/renew.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  csrOf,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
} from "../support/issuing.ts";

onEachDatabase("renewal", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>> & RenewalParts;
  beforeAll(async () => {
    const issuing = await makeIssuing(db.database);
    parts = Object.assign(issuing, {
      present: (der: Uint8Array): PresentedCertificate => ({
        fingerprint: new X509Certificate(der).fingerprint256.replaceAll(":", "").toLowerCase() as never,
        ...{ authorized: true, fault: undefined, signedByUs: false, isCa: false, clientAuth: true },
      }),
      logger: { error: () => undefined },
      applied: () => Promise.resolve(),
    });
  });
  const allowed = (record: CertificateRecord): Decision => ({
    allowed: true,
    caller: { ...record, account: record.account as never, issuer: record.issuerId, scopes: [] },
  });
  const first = async () => {
    const account = await freshAccount(parts);
    const { token } = await freshToken(parts, account, { scopes: [parseScope("orders:read")] });
    return enrolRecord(parts, { token, csr: await makeCsr() });
  };
  const ask = async (record: CertificateRecord, csr: Uint8Array) =>
    (await renew(parts, { decision: allowed(record), address: "192.0.2.1", csr })).record;

  test("inherits", async () => {
    const one = await first();
    const limits = { ...noLimits, maxConnections: 3 };
    await db.database.certificates.setRights(one.fingerprint, { scopes: one.scopes, limits });
    const csr = await csrOf(await makeKeyPair("ed25519"));
    const two = await ask(one, csr);
    expect(two).toMatchObject({ account: one.account, profile: one.profile, scopes: one.scopes, limits });
    expect(await db.database.certificates.byFingerprint(two.fingerprint)).toEqual(two);
    expect(await ask(one, csr)).toEqual(two);
    expect(await db.database.renewals.byPredecessors([one.fingerprint])).toMatchObject([
      { successor: two.fingerprint, line: one.fingerprint, renewedAt: START, retireAt: START + HOUR },
    ]);
    await expectRefusal(ask(one, await makeCsr()), "RENEWED_BEFORE");
    for (const each of [one, two])
      expect(await db.database.certificates.byFingerprint(each.fingerprint)).toMatchObject({
        status: "suspended",
      });
  });
});
