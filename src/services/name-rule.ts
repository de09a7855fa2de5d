import { addressMatcher } from "../domain/address.ts";
import type { CallLimits } from "../domain/call-limits.ts";
import type { DenialCode } from "../domain/errors.ts";
import { type Scope, effectiveScopes } from "../domain/names.ts";
import type { Account, CertificateRecord } from "../domain/records.ts";
import { isRetired } from "../domain/renewal.ts";
import { type Instant, formatTime } from "../domain/time.ts";

/** What a denial was decided from. */
export interface Denied {
  readonly code: DenialCode;
  readonly record: CertificateRecord | undefined;
  readonly account: Account | undefined;
  readonly address: string | undefined;
  readonly scopes: readonly Scope[];
}

/** The rule that a call was denied by, with what is on record of it; `undefined` where the code says it all. */
export function nameRule(denied: Denied): string | undefined {
  const { code, record, account } = denied;
  if (code === "CERT_UNKNOWN") return "no credential on record has this fingerprint";
  if (code === "NO_ROUTE")
    return "the enforcement listener has GET and HEAD /whoami, what forwardAuth has for its accounts, the routes of config.json, and nothing else";
  return (record && ofCredential(code, record)) ?? (account && ofAccount(denied, account));
}

function ofCredential(code: DenialCode, record: CertificateRecord): string | undefined {
  const { notBefore, notAfter, statusAt, statusBy = "an unknown hand", reason } = record;
  switch (code) {
    case "CERT_NOT_YET_VALID":
      return `credential: valid from ${formatTime(notBefore)}`;
    case "CERT_EXPIRED":
      return `credential: valid until ${formatTime(notAfter)}`;
    case "CERT_REVOKED":
      if (isRetired(record)) return `credential: retired${since(statusAt)}, after its renewal`;
      return `credential: revoked${since(statusAt)} by ${statusBy}, ${reason ?? "unspecified"}`;
    case "CERT_SUSPENDED":
      return `credential: suspended${since(statusAt)} by ${statusBy}`;
    default:
      return undefined;
  }
}

function ofAccount({ code, record, address, scopes }: Denied, account: Account): string | undefined {
  const named = `account ${account.slug}`;
  if (code === "ACCOUNT_SUSPENDED") return `${named}: suspended${since(account.suspendedAt)}`;
  if (code === "ADDRESS_NOT_ALLOWED") {
    const of = `credential of ${named}`;
    return forbids(named, account, address) ?? (record?.limits && forbids(of, record.limits, address));
  }
  if (code !== "SCOPE_MISSING") return undefined;
  const effective = effectiveScopes(record?.scopes, account.scopes);
  const missing = scopes.filter((scope) => !effective.includes(scope)).join(", ");
  const all = account.scopes.join(", ") || "none";
  return record?.scopes === undefined
    ? `${named}: its scopes (${all}) lack ${missing}; the credential has all of them`
    : `credential: its scopes (${record.scopes.join(", ") || "none"}), as far as ${named} has them (${all}), lack ${missing}`;
}

/** Which of somebody's rules an address is against, if it is. */
function forbids(
  whose: string,
  { allowIps, denyIps }: Pick<CallLimits, "allowIps" | "denyIps">,
  address = "",
): string | undefined {
  const denying = denyIps.find((range) => addressMatcher([range])(address));
  if (denying !== undefined) return `${whose}: deny-ip ${denying} holds ${address}`;
  if (allowIps.length === 0 || addressMatcher(allowIps)(address)) return undefined;
  return `${whose}: allow-ip ${allowIps.join(", ")} ${allowIps.length === 1 ? "does" : "do"} not hold ${address}`;
}

function since(at: Instant | undefined): string {
  return at === undefined ? "" : ` since ${formatTime(at)}`;
}
