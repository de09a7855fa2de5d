import { expect, test } from "vitest";
import { noLimits } from "../../src/domain/call-limits.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord, CredentialRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { type TestDatabase, onEachDatabase } from "../support/databases.ts";
import { START } from "../support/issuing.ts";
import { putCertificate, putIssuer, someAccount } from "./records.ts";

async function pages(db: TestDatabase, now = START): Promise<CredentialRecord[][]> {
  const found: CredentialRecord[][] = [];
  for await (const page of db.database.certificates.live(now)) found.push(page);
  return found;
}

/** What of a record decides on calls. */
function credential(record: CertificateRecord): CredentialRecord {
  const { fingerprint, issuerId, serial, accountId, notBefore, notAfter, scopes, limits, status } = record;
  return { fingerprint, issuerId, serial, accountId, notBefore, notAfter, scopes, limits, status };
}

onEachDatabase("live certificates", (db) => {
  test("are none at first", async () => {
    expect(await pages(db)).toEqual([]);
  });

  test("are those of accounts that are not past their end, whatever their status", async () => {
    const issuer = await putIssuer(db.database);
    const account = await db.database.accounts.insert(someAccount());
    const put = (as: Partial<CertificateRecord>) => putCertificate(db.database, issuer, account, as);
    const live = [
      await put({}),
      await put({ status: "revoked", statusAt: START, reason: "superseded" }),
      await put({ status: "suspended", statusAt: START }),
      await put({ notAfter: START }),
      await put({ scopes: ["orders:read", "orders:write"].map(parseScope) }),
      await put({ scopes: [], limits: { ...noLimits, maxConnections: 3 } }),
    ];
    for (const { fingerprint, scopes, limits } of live.slice(-1)) {
      await db.database.certificates.setRights(fingerprint, { scopes, limits }); // none are issued with limits
    }
    await put({ notAfter: START - 1 });
    await putCertificate(db.database, issuer, undefined);
    const ordered = <Item extends { readonly fingerprint: string }>(items: readonly Item[]): Item[] =>
      [...items].sort((one, other) => (one.fingerprint < other.fingerprint ? -1 : 1));
    const inOrder = ordered(live);
    expect(ordered((await pages(db)).flat())).toEqual(inOrder.map(credential));
    const { certificates } = db.database;
    expect(await certificates.credentials(inOrder.slice(0, 1).map(({ fingerprint }) => fingerprint))).toEqual(
      inOrder.slice(0, 1).map(credential),
    );
    expect(await certificates.credentials([])).toEqual([]);
  });

  test("come in pages, each once", async () => {
    const issuer = await putIssuer(db.database);
    const account = await db.database.accounts.insert(someAccount());
    const now = START + 48 * HOUR; // those of the test before have ended
    const put = await db.database.transaction(async (stores) => {
      const fingerprints: string[] = [];
      for (let i = 0; i < 2005; i++) {
        const database = { ...db.database, ...stores };
        const { fingerprint } = await putCertificate(database, issuer, account, { notAfter: now + HOUR });
        fingerprints.push(fingerprint);
      }
      return fingerprints;
    });
    const found = await pages(db, now);
    expect(found.length).toBeGreaterThan(1);
    expect(
      found
        .flat()
        .map(({ fingerprint }) => fingerprint)
        .sort(),
    ).toEqual(put.sort());
  });
});
