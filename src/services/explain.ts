import {
  type Credential,
  type PresentedCertificate,
  credentialAccount,
  credentialOf,
  decide,
  outsideValidity,
} from "../domain/decision.ts";
import { noLimits } from "../domain/call-limits.ts";
import { type DenialCode, errorTable } from "../domain/errors.ts";
import type { Fingerprint, IssuerId, Serial } from "../domain/identifiers.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Stores } from "../domain/ports.ts";
import type { destinationOf } from "../domain/route.ts";
import type { Account, CertificateRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { nameRule } from "./name-rule.ts";
import { type UnaskedRule, unaskedLimits } from "./unasked-rules.ts";

export interface Explanation {
  readonly allowed: boolean;
  readonly code: DenialCode | "TARGET_AMBIGUOUS" | "METHOD_NOT_ALLOWED" | "ALLOWED";
  /** Of the call that it would have, by its name. */
  readonly route?: string;
  readonly because: string;
  /** The rule that denies it, with what is on record of it. */
  readonly rule?: string;
  readonly fingerprint: Fingerprint;
  readonly account?: Slug;
  readonly scopes?: readonly Scope[];
  /** Of a certificate that is suspended or revoked: since when, by whom, and why. */
  readonly record?: Pick<CertificateRecord, "statusAt" | "reason" | "invalidityAt" | "statusBy" | "note">;
  /** Of a certificate that was renewed: its successor. */
  readonly renewedBy?: Fingerprint;
  /** Of a call that is let through: what may refuse it all the same. */
  readonly unasked?: readonly UnaskedRule[];
}

/** What another CA's CRL says of a serial number; "unread" where there is one that could not be asked. */
export type Listing =
  { readonly ca: string; readonly status: "revoked" | "suspended" | "unread" } | undefined;

/**
 * Asks the decision of every request what it would say of a call with this certificate.
 *
 * @param presented the certificate as a handshake would find it, but for its validity, which the record tells
 * @param call.address without it, address rules are taken to be met
 * @param call.route where it would go, of an account; without it, routes are not asked
 * @param call.listing asks the CRLs of other CAs
 */
export async function explain(
  stores: Stores,
  presented: PresentedCertificate,
  call: {
    readonly now: Instant;
    readonly address: string | undefined;
    readonly scopes: readonly Scope[];
    readonly route?: ((account: Slug | undefined) => ReturnType<typeof destinationOf>) | undefined;
    readonly listing?: ((issuer: IssuerId, serial: Serial) => Listing) | undefined;
  },
): Promise<Explanation> {
  const { fingerprint } = presented;
  const onRecord = await stores.certificates.byFingerprint(fingerprint);
  const listing = onRecord && call.listing?.(onRecord.issuerId, onRecord.serial);
  const isListed = denies(listing, onRecord);
  const record = isListed && onRecord ? { ...onRecord, status: listing.status } : onRecord;
  const account = record?.accountId === undefined ? undefined : await stores.accounts.byId(record.accountId);
  const [renewal] = onRecord ? await stores.renewals.byPredecessors([fingerprint]) : [];
  const renewed = renewal?.successor === undefined ? {} : { renewedBy: renewal.successor };
  const isOutOfTime = record && outsideValidity(record, call.now) !== undefined;
  const destination = call.route?.(account?.slug);
  const found = destination && "route" in destination ? destination.route : undefined;
  const scopes = [...new Set([...call.scopes, ...(found?.scopes ?? [])])];
  const decision = decide({
    presented:
      presented.authorized && isOutOfTime ? { ...presented, authorized: false, fault: "time" } : presented,
    credential: record && account && credentialAsked(record, account, call.address !== undefined),
    now: call.now,
    address: call.address ?? "",
    requiredScopes: scopes,
    gate: undefined, // how much of a rate is left, and how many connections there are, only the server knows
    current: true,
    directed: true,
  });
  const rule = (code: DenialCode) => {
    if (isListed && (code === "CERT_REVOKED" || code === "CERT_SUSPENDED"))
      return { rule: `the CRL of '${listing.ca}' lists its serial number` };
    const named = nameRule({ code, record, account, address: call.address, scopes });
    return named === undefined ? {} : { rule: named };
  };
  if (decision.allowed && destination && "code" in destination) {
    const { code } = destination;
    const because = errorTable[code][1];
    const named = code === "NO_ROUTE" ? rule(code) : {};
    return { allowed: false, code, because, ...named, fingerprint, account: decision.caller.account };
  }
  const route = found && { route: found.name };
  if (decision.allowed) {
    const { account: slug, scopes: own } = decision.caller;
    const because = "The certificate is on record, in force, and its account may do this.";
    const unasked = [
      ...(record && account ? unaskedLimits(record, account, call.address !== undefined) : []),
    ];
    if (listing?.status === "unread")
      unasked.push({ rule: "crl", says: `the CRL of '${listing.ca}': there is no copy that can be read` });
    const left = unasked.length > 0 ? { unasked } : {};
    return {
      allowed: true,
      code: "ALLOWED",
      because,
      fingerprint,
      account: slug,
      scopes: own,
      ...route,
      ...renewed,
      ...left,
    };
  }
  const because = errorTable[decision.code][1];
  const { code } = decision;
  const owner = decision.account === undefined ? {} : { account: decision.account };
  const about = record && record.status !== "active" && !isListed ? { record: statusOf(record) } : {};
  return {
    allowed: false,
    code,
    because,
    ...rule(code),
    fingerprint,
    ...owner,
    ...route,
    ...renewed,
    ...about,
  };
}

/** As the enforcer has it: what our own records say of a certificate that is revoked stays. */
function denies(
  listing: Listing,
  record: CertificateRecord | undefined,
): listing is { readonly ca: string; readonly status: "revoked" | "suspended" } {
  if (!listing || listing.status === "unread" || record?.status === "revoked") return false;
  return record?.status !== listing.status;
}

function statusOf(record: CertificateRecord): NonNullable<Explanation["record"]> {
  const { statusAt, reason, invalidityAt, statusBy, note } = record;
  return { statusAt, reason, invalidityAt, statusBy, note };
}

function credentialAsked(record: CertificateRecord, account: Account, withAddresses: boolean): Credential {
  if (withAddresses) return credentialOf(record, { current: credentialAccount(account) });
  // Of all limits, the addresses are all that is asked here.
  const current = credentialAccount({ ...account, ...noLimits });
  return credentialOf({ ...record, limits: undefined }, { current });
}
