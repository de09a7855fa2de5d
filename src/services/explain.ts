import {
  type Credential,
  type PresentedCertificate,
  credentialAccount,
  credentialOf,
  decide,
  outsideValidity,
} from "../domain/decision.ts";
import { type DenialCode, errorTable } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";

export interface Explanation {
  readonly allowed: boolean;
  readonly code: DenialCode | "ALLOWED";
  readonly because: string;
  readonly fingerprint: Fingerprint;
  readonly account?: Slug;
  readonly scopes?: readonly Scope[];
  /** Of a certificate that is suspended or revoked: since when, by whom, and why. */
  readonly record?: Pick<CertificateRecord, "statusAt" | "reason" | "invalidityAt" | "statusBy" | "note">;
}

/**
 * Asks the decision of every request what it would say of a call with this certificate.
 *
 * @param presented the certificate as a handshake would find it, but for its validity, which the record tells
 * @param call.address without it, address rules are taken to be met
 */
export async function explain(
  stores: Stores,
  presented: PresentedCertificate,
  call: { readonly now: Instant; readonly address: string | undefined; readonly scopes: readonly Scope[] },
): Promise<Explanation> {
  const { fingerprint } = presented;
  const record = await stores.certificates.byFingerprint(fingerprint);
  const isOutOfTime = record && outsideValidity(record, call.now) !== undefined;
  const decision = decide({
    presented:
      presented.authorized && isOutOfTime ? { ...presented, authorized: false, fault: "time" } : presented,
    credential: record && (await findCredential(stores, record, call.address !== undefined)),
    now: call.now,
    address: call.address ?? "",
    requiredScopes: call.scopes,
    gate: undefined, // how much of a rate is left, and how many connections there are, only the server knows
    current: true,
    directed: true,
  });
  if (decision.allowed) {
    const { account, scopes } = decision.caller;
    const because = "The certificate is on record, in force, and its account may do this.";
    return { allowed: true, code: "ALLOWED", because, fingerprint, account, scopes };
  }
  const because = errorTable[decision.code][1];
  const { code, account } = decision;
  const about = record && record.status !== "active" ? { record: statusOf(record) } : {};
  return { allowed: false, code, because, fingerprint, ...(account && { account }), ...about };
}

function statusOf(record: CertificateRecord): NonNullable<Explanation["record"]> {
  const { statusAt, reason, invalidityAt, statusBy, note } = record;
  return { statusAt, reason, invalidityAt, statusBy, note };
}

async function findCredential(
  stores: Stores,
  record: CertificateRecord,
  withAddresses: boolean,
): Promise<Credential | undefined> {
  const account = record.accountId === undefined ? undefined : await stores.accounts.byId(record.accountId);
  if (!account) return undefined;
  const asked = credentialAccount(withAddresses ? account : { ...account, allowIps: [] });
  return credentialOf(record, { current: asked });
}
