import { addressMatcher } from "../domain/address.ts";
import { type Credential, type PresentedCertificate, decide } from "../domain/decision.ts";
import { type DenialCode, errorTable } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";

/** A certificate as a handshake would find it. */
export interface CertificateInQuestion {
  readonly fingerprint: Fingerprint;
  readonly isSignedByUs: boolean;
  readonly isCa: boolean;
  readonly clientAuth: boolean;
}

export interface Explanation {
  readonly allowed: boolean;
  readonly code: DenialCode | "ALLOWED";
  readonly because: string;
  readonly fingerprint: Fingerprint;
  readonly account?: Slug;
  readonly scopes?: readonly Scope[];
}

/**
 * Asks the decision of every request what it would say of a call with this certificate.
 *
 * @param call.address without it, address rules are taken to be met
 */
export async function explain(
  stores: Stores,
  question: CertificateInQuestion,
  call: { readonly now: Instant; readonly address: string | undefined; readonly scopes: readonly Scope[] },
): Promise<Explanation> {
  const { fingerprint } = question;
  const record = await stores.certificates.byFingerprint(fingerprint);
  const credential = record && (await credentialOf(stores, record, call.address !== undefined));
  const decision = decide({
    presented: presentedAs(question, record, call.now),
    credential,
    now: call.now,
    address: call.address ?? "",
    requiredScopes: call.scopes,
    current: true,
    directed: true,
  });
  if (decision.allowed) {
    const { account, scopes } = decision.caller;
    const because = "The certificate is on record, in force, and its account may do this.";
    return { allowed: true, code: "ALLOWED", because, fingerprint, account, scopes };
  }
  const because = errorTable[decision.code][1];
  const account = decision.credential?.account.slug;
  return {
    allowed: false,
    code: decision.code,
    because,
    fingerprint,
    ...(account === undefined ? {} : { account }),
  };
}

/** OpenSSL's verdict, as far as it can be known without a handshake. */
function presentedAs(
  question: CertificateInQuestion,
  record: CertificateRecord | undefined,
  now: Instant,
): PresentedCertificate {
  const { fingerprint, isSignedByUs, isCa, clientAuth } = question;
  const isInTime = !record || (now >= record.notBefore && now < record.notAfter);
  const fault = !isSignedByUs ? "other" : !clientAuth ? "purpose" : isInTime ? undefined : "time";
  return { fingerprint, authorized: fault === undefined, fault, signedByUs: isSignedByUs, isCa, clientAuth };
}

async function credentialOf(
  stores: Stores,
  record: CertificateRecord,
  withAddresses: boolean,
): Promise<Credential | undefined> {
  const account = record.accountId === undefined ? undefined : await stores.accounts.byId(record.accountId);
  if (!account) return undefined;
  const hasRule = withAddresses && account.allowIps.length > 0;
  return {
    ...record,
    issuer: record.issuerId,
    account: { ...account, allowsAddress: hasRule ? addressMatcher(account.allowIps) : undefined },
  };
}
