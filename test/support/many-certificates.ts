import { randomBytes } from "node:crypto";
import { type Fingerprint, type SpkiHash, fingerprintOf } from "../../src/domain/identifiers.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY } from "../../src/domain/time.ts";
import { putIssuer, someAccount, someIntent } from "../storage/records.ts";

/**
 * Puts that many live certificates of one account on record.
 *
 * @param spkiHash their key; each has a key of its own if none is given
 */
export async function putManyCertificates(
  database: Database,
  count: number,
  now = Date.now(),
  spkiHash?: SpkiHash,
): Promise<{ readonly account: string; readonly fingerprints: readonly Fingerprint[] }> {
  const issuer = await putIssuer(database);
  const account = await database.accounts.insert(someAccount());
  const all = Array.from({ length: count }, (): CertificateRecord => {
    const { createdAt: issuedAt, ...intent } = someIntent(issuer, account);
    const der = randomBytes(64);
    return {
      ...{ ...intent, notBefore: now, notAfter: now + DAY, issuedAt, der, fingerprint: fingerprintOf(der) },
      ...{
        account: account.slug,
        keyType: "ec-p256",
        scopes: undefined,
        limits: undefined,
        status: "active",
      },
      ...{ statusAt: undefined, reason: undefined, invalidityAt: undefined, statusBy: undefined },
      ...{ note: undefined, spkiHash: spkiHash ?? intent.spkiHash },
    };
  });
  await database.transaction(async (stores) => {
    for (let start = 0; start < count; start += 500) {
      const chunk = all.slice(start, start + 500);
      await stores.keys.bind(chunk.map((one) => ({ ...one, seenAt: now })));
      await stores.certificates.intend(chunk.map((one) => ({ ...one, createdAt: now })));
      await stores.certificates.insert(chunk);
    }
  });
  return { account: account.slug, fingerprints: all.map(({ fingerprint }) => fingerprint) };
}
