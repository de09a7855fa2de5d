import type { Codec, Database, Issuer, Stores } from "../domain/ports.ts";
import type { Change, ChangeAction, CrlRecord } from "../domain/records.ts";
import { HOUR, type Instant, wholeSeconds } from "../domain/time.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** How long a CRL is valid. A new one is made at half of it. */
export const CRL_LIFE = 24 * HOUR;

/**
 * Signs an issuer's next CRL: every revoked or suspended certificate that has not expired, and those that expired since
 * the CRL before, so that each is on one more (RFC 5280 §3.3). Call it within a transaction, which allocates its number.
 *
 * @param life milliseconds to nextUpdate
 */
export async function signNextCrl(
  stores: Stores,
  mutation: Mutation,
  codec: Pick<Codec, "signCrl">,
  issuer: Issuer,
  life = CRL_LIFE,
): Promise<CrlRecord> {
  const previous = await stores.crls.latest(issuer.id);
  const thisUpdate = wholeSeconds(mutation.clock.now());
  const nextUpdate = Math.min(thisUpdate + life, issuer.notAfter);
  const number = (previous?.number ?? 0) + 1;
  const entries = await stores.certificates.crlEntries(issuer.id, previous?.thisUpdate ?? 0);
  const der = await codec.signCrl(issuer, { number, thisUpdate, nextUpdate, entries });
  const detail = { number, entries: entries.length };
  const basis = await recordChange(stores, mutation, "crl.publish", issuer.id, detail);
  const crl: CrlRecord = { issuerId: issuer.id, number, thisUpdate, nextUpdate, basis, der };
  await stores.crls.replace(crl);
  return crl;
}

/** Signs and records an issuer's next CRL. */
export function publishCrl(
  database: Database,
  mutation: Mutation,
  codec: Pick<Codec, "signCrl">,
  issuer: Issuer,
): Promise<CrlRecord> {
  return database.transaction((stores) => signNextCrl(stores, mutation, codec, issuer));
}

const statusChanges: readonly ChangeAction[] = [
  "certificate.revoke",
  "certificate.suspend",
  "certificate.resume",
  "account.suspend",
  "account.resume",
];

/** Whether a change alters what a CRL says. */
export function altersCrl(change: Change): boolean {
  return statusChanges.includes(change.action);
}

/** When a CRL is to be replaced although nothing was revoked: at half of its life. */
export function crlRenewalTime(crl: CrlRecord): Instant {
  return crl.thisUpdate + (crl.nextUpdate - crl.thisUpdate) / 2;
}
