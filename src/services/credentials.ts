import { Refusal } from "../domain/errors.ts";
import type { CertificateId } from "../domain/identifiers.ts";
import { type Burst, type CallLimits, withBurst, noLimits } from "../domain/call-limits.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Database } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import { requireAccount, requireScopesOf } from "./accounts.ts";
import { findCertificate } from "./find-certificate.ts";
import { type Mutation, changesDetail, recordChange } from "./record-change.ts";

/** What an admin may change of one credential. */
export interface CredentialRights extends CallLimits {
  /** Narrows the account's scopes; `undefined` leaves all of them. */
  readonly scopes: readonly Scope[] | undefined;
}

/**
 * Changes what one credential may do within what its account may, from the next request on. What is not given stays.
 *
 * @returns the certificate as it is now, and the change's sequence number.
 * @throws Refusal NOT_FOUND, ID_AMBIGUOUS, CREDENTIAL_ENDED, SCOPE_INVALID.
 */
export async function updateCredential(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  changes: Partial<CredentialRights>,
  burst?: Burst,
): Promise<{ readonly certificate: CertificateRecord; readonly sequence: number }> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    const slug = requireLiving(certificate, mutation.clock.now());
    if (changes.scopes) requireScopesOf(await requireAccount(stores, slug), changes.scopes);
    const before = { scopes: certificate.scopes, ...(certificate.limits ?? noLimits) };
    const { scopes, ...rest } = { ...before, ...changes };
    const limits = { ...rest, rate: withBurst(rest.rate, burst) };
    const updated = { ...certificate, scopes, limits };
    await stores.certificates.setRights(certificate.fingerprint, updated);
    const changed = burst === undefined ? changes : { ...changes, rate: limits.rate };
    const detail = { account: certificate.account, ...changesDetail(changed) };
    const { fingerprint } = certificate;
    return {
      certificate: updated,
      sequence: await recordChange(stores, mutation, "certificate.update", fingerprint, detail),
    };
  });
}

/** Returns whose it is. */
function requireLiving({ account, status, notAfter }: CertificateRecord, now: number): Slug {
  if (account === undefined) throw new Refusal("CREDENTIAL_ENDED", "The certificate is one of our own.");
  if (status === "revoked") throw new Refusal("CREDENTIAL_ENDED", "The certificate was revoked.");
  if (notAfter <= now) throw new Refusal("CREDENTIAL_ENDED", "The certificate has expired.");
  return account;
}
