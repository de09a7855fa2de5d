import type { DenialCode } from "./errors.ts";
import type { Fingerprint, IssuerId, Serial } from "./identifiers.ts";
import { type CallLimits, type Rate, addressRule } from "./call-limits.ts";
import { type Scope, type Slug, effectiveScopes } from "./names.ts";
import type { Account, CertificateStatus, CredentialRecord } from "./records.ts";
import type { Instant } from "./time.ts";

/** What the TLS layer says of the certificate that a caller presented and proved to hold. */
export interface PresentedCertificate {
  readonly fingerprint: Fingerprint;
  /** OpenSSL built a chain to a trust anchor and found nothing wrong. */
  readonly authorized: boolean;
  /** The last thing that OpenSSL found wrong. */
  readonly fault: "time" | "purpose" | "other" | undefined;
  /** One of our issuers signed it, by our own check; asked only when OpenSSL reports its purpose or its time. */
  readonly signedByUs: boolean;
  readonly isCa: boolean;
  readonly clientAuth: boolean;
}

/** A credential as the enforcement side holds it in memory. */
export interface Credential {
  readonly fingerprint: Fingerprint;
  readonly issuer: IssuerId;
  readonly serial: Serial;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly scopes: readonly Scope[] | undefined;
  readonly status: CertificateStatus;
  /** Its own, besides the account's. */
  readonly limits: HeldLimits | undefined;
  readonly account: CredentialAccount;
}

/** Limits as the decision asks about them. */
export interface HeldLimits {
  /** `undefined` allows any address. */
  readonly allowsAddress: ((address: string) => boolean) | undefined;
  readonly rate: Rate | undefined;
  readonly maxConnections: number | undefined;
}

export interface CredentialAccount extends HeldLimits {
  readonly slug: Slug;
  readonly status: "active" | "suspended";
  readonly scopes: readonly Scope[];
}

/** An account as the decision asks about it. */
export function credentialAccount(account: Account): CredentialAccount {
  const { slug, status, scopes } = account;
  return { slug, status, scopes, ...heldLimits(account) };
}

function heldLimits(limits: CallLimits): HeldLimits {
  const { rate, maxConnections } = limits;
  return { allowsAddress: addressRule(limits), rate, maxConnections };
}

/** Rules are made ready once for all credentials that have the very same. */
const held = new WeakMap<CallLimits, HeldLimits>();

function heldOnce(limits: CallLimits): HeldLimits {
  const known = held.get(limits) ?? heldLimits(limits);
  held.set(limits, known);
  return known;
}

/**
 * A certificate on record as the decision asks about it.
 *
 * @param cell its account, asked for each time: it is replaced as a whole when the account changes
 */
export function credentialOf(
  record: CredentialRecord,
  cell: { readonly current: CredentialAccount },
): Credential {
  return new HeldCredential(record, cell);
}

/** A class, because there may be a million: its fields and nothing else, with one getter for all. */
class HeldCredential implements Credential {
  readonly fingerprint: Fingerprint;
  readonly issuer: IssuerId;
  readonly serial: Serial;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly scopes: readonly Scope[] | undefined;
  readonly status: CertificateStatus;
  readonly limits: HeldLimits | undefined;
  readonly #cell: { readonly current: CredentialAccount };

  constructor(record: CredentialRecord, cell: { readonly current: CredentialAccount }) {
    this.fingerprint = record.fingerprint;
    this.issuer = record.issuerId;
    this.serial = record.serial;
    this.notBefore = record.notBefore;
    this.notAfter = record.notAfter;
    this.scopes = record.scopes;
    this.status = record.status;
    this.limits = record.limits && heldOnce(record.limits);
    this.#cell = cell;
  }

  get account(): CredentialAccount {
    return this.#cell.current;
  }
}

export interface Question {
  readonly presented: PresentedCertificate | undefined;
  /** "unavailable": it is not in memory, and the store cannot be asked. */
  readonly credential: Credential | "unavailable" | undefined;
  readonly now: Instant;
  /** What the system's clock says, by which OpenSSL goes; without it, the same. */
  readonly wall?: Instant | undefined;
  readonly address: string;
  readonly requiredScopes: readonly Scope[];
  /** Of a caller whose calls or connections are limited; asked in this order, once everything else allows the call. */
  readonly gate: LimitGate | undefined;
  /** What is in memory is no older than the stated staleness. */
  readonly current: boolean;
  /** Host and SNI name the same server. */
  readonly directed: boolean;
}

/** Whether a call is within its caller's limits. */
export interface LimitGate {
  /** Counts the call, if it is. */
  isWithinRate(): boolean;
  hasConnection(): boolean;
}

/** How a caller stands with one of its rates. */
export interface RateStanding {
  readonly of: "account" | "credential";
  readonly rate: Rate;
  /** Requests that may come at once. */
  readonly remaining: number;
  /** Milliseconds until one more may come, and until the whole burst may. */
  readonly untilNext: number;
  readonly untilFull: number;
}

/** Who is calling, once the call is let through. */
export interface Caller {
  readonly account: Slug;
  readonly fingerprint: Fingerprint;
  readonly serial: Serial;
  readonly issuer: IssuerId;
  readonly scopes: readonly Scope[];
  readonly notAfter: Instant;
}

export type Decision = ({ readonly allowed: true; readonly caller: Caller } & Rated) | Denial;

interface Rated {
  /** How the caller stands, where its calls are limited in rate. */
  readonly rates?: readonly RateStanding[];
}

export interface Denial extends Rated {
  readonly allowed: false;
  readonly code: DenialCode;
  /** Of the certificate presented, whoever made it. */
  readonly fingerprint: Fingerprint | undefined;
  /** Whose it is, when it is on record. */
  readonly account: Slug | undefined;
}

/** The decision on every request (docs/enforcement.md): the first question that fails gives the reason. */
export function decide(question: Question): Decision {
  const { presented, credential } = question;
  const known = typeof credential === "object" ? credential : undefined;
  const distrusted = whyDistrusted(question, known);
  if (distrusted || !known) {
    const code = distrusted ?? "CERT_UNKNOWN";
    return { allowed: false, code, fingerprint: presented?.fingerprint, account: known?.account.slug };
  }
  const { fingerprint, serial, issuer, notAfter, account } = known;
  const { slug } = account;
  const scopes = effectiveScopes(known.scopes, account.scopes);
  const code = whyNot(question, known, scopes);
  if (code) return { allowed: false, code, fingerprint, account: slug };
  return { allowed: true, caller: { account: slug, fingerprint, serial, issuer, scopes, notAfter } };
}

/** Why what was presented says nothing of who is calling. */
function whyDistrusted(
  { presented, credential, now, wall = now }: Question,
  known: Credential | undefined,
): DenialCode | undefined {
  if (!presented) return "CERT_REQUIRED";
  const untrusted = distrust(presented, known, [now, wall]);
  if (untrusted) return untrusted;
  if (presented.isCa || !presented.clientAuth) return "CERT_PURPOSE";
  return credential === "unavailable" ? "STATUS_UNAVAILABLE" : undefined;
}

/** Why a known caller may not do this now. */
function whyNot(
  { now, address, requiredScopes, gate, current, directed }: Question,
  known: Credential,
  scopes: readonly Scope[],
): DenialCode | undefined {
  const validity = outsideValidity(known, now);
  if (validity) return validity;
  if (known.status === "revoked") return "CERT_REVOKED";
  if (known.status === "suspended") return "CERT_SUSPENDED";
  const { account } = known;
  if (account.status !== "active") return "ACCOUNT_SUSPENDED";
  if (!allowsAddress(account, address) || !allowsAddress(known.limits, address)) return "ADDRESS_NOT_ALLOWED";
  for (const scope of requiredScopes) if (!scopes.includes(scope)) return "SCOPE_MISSING";
  if (gate && !gate.isWithinRate()) return "RATE_LIMITED";
  if (gate && !gate.hasConnection()) return "CONNECTION_LIMIT";
  if (!current) return "STATUS_UNAVAILABLE";
  return directed ? undefined : "MISDIRECTED";
}

function allowsAddress(limits: HeldLimits | undefined, address: string): boolean {
  return !limits?.allowsAddress || limits.allowsAddress(address);
}

/**
 * Why OpenSSL's verdict ends the matter, if it does.
 *
 * Only the last fault is reported, so a fault of time is believed only of a fingerprint on record (the record then
 * says which), and one of purpose only of what our own issuers signed; all else is untrusted.
 */
function distrust(
  presented: PresentedCertificate,
  known: Credential | undefined,
  [now, wall]: readonly [Instant, Instant],
): DenialCode | undefined {
  if (presented.authorized) return undefined;
  if (presented.fault === "time" && known)
    return outsideValidity(known, now) ?? outsideValidity(known, wall) ?? "CERT_UNTRUSTED";
  if (presented.fault === "purpose" && presented.signedByUs) return "CERT_PURPOSE";
  return "CERT_UNTRUSTED";
}

/** Which end of its validity a certificate is beyond, if it is. */
export function outsideValidity(
  validity: Pick<Credential, "notBefore" | "notAfter">,
  now: Instant,
): "CERT_NOT_YET_VALID" | "CERT_EXPIRED" | undefined {
  if (now < validity.notBefore) return "CERT_NOT_YET_VALID";
  // RFC 5280 §4.1.2.5 counts notAfter itself in, OpenSSL out: the two must not disagree on one connection.
  if (now >= validity.notAfter) return "CERT_EXPIRED";
  return undefined;
}
