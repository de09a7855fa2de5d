import type { Cidr } from "./address.ts";
import type { DnsRule } from "./host-names.ts";
import type { Fingerprint, IssuerId, Serial, SpkiHash } from "./identifiers.ts";
import type { KeyType } from "./key-policy.ts";
import type { CallLimits } from "./call-limits.ts";
import type { Scope, Slug } from "./names.ts";
import type { RevocationReason } from "./revocation.ts";
import type { Instant } from "./time.ts";
import type { TokenRules } from "./token-rules.ts";

/** Who a caller is. */
export interface Account extends CallLimits {
  readonly id: number;
  readonly slug: Slug;
  readonly status: "active" | "suspended";
  readonly scopes: readonly Scope[];
  /** DNS names and addresses that certificates for its servers may have. */
  readonly dnsNames: readonly DnsRule[];
  readonly serverIps: readonly Cidr[];
  readonly createdAt: Instant;
  readonly suspendedAt: Instant | undefined;
}

/** An enrolment token as it is stored: never the token itself. */
export interface TokenRecord {
  readonly id: string;
  readonly hash: string;
  readonly accountId: number;
  readonly account: Slug;
  readonly profile: Slug;
  /** Narrows the scopes of what it enrols; `undefined` leaves all of the account's. */
  readonly scopes: readonly Scope[] | undefined;
  readonly rules: TokenRules;
  /** How many CSRs it may be used with. With more than one, each use is a token of its own, whose parent this is. */
  readonly uses: number;
  /** How many of several uses are taken. */
  readonly usesTaken: number;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | undefined;
  /** When it was used, the last time, and from which address. */
  readonly usedAt: Instant | undefined;
  readonly usedFrom: string | undefined;
  /** The token that this is a use of, or the request that it was approved with; nobody has the token itself then. */
  readonly parent: string | undefined;
  /** SHA-256 of the one CSR that it was used with. */
  readonly csrHash: string | undefined;
  /** What it enrolled, once that is on record. */
  readonly fingerprint: Fingerprint | undefined;
}

/** Whether a token is for a fleet: each CSR that it is used with takes one of its uses. */
export function isForFleet({ uses }: Pick<TokenRecord, "uses">): boolean {
  return uses > 1;
}

/** What the token is called that an approved request is stored as, and what it came from. */
export function approvalNames(requestId: string): { readonly id: string; readonly parent: string } {
  return { id: `request.${requestId}`, parent: `request:${requestId}` };
}

/** What is about to be signed: on record before any signature is made. */
export interface Intent {
  readonly issuerId: IssuerId;
  readonly serial: Serial;
  /** `undefined` for the certificates of our own listeners. */
  readonly accountId: number | undefined;
  readonly profile: Slug;
  readonly spkiHash: SpkiHash;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly createdAt: Instant;
}

export type CertificateStatus = "active" | "suspended" | "revoked";

/** A certificate on record. With an account it is a credential. */
export interface CertificateRecord {
  readonly fingerprint: Fingerprint;
  readonly issuerId: IssuerId;
  readonly serial: Serial;
  readonly accountId: number | undefined;
  readonly account: Slug | undefined;
  readonly profile: Slug;
  /** Narrows the account's scopes; `undefined` leaves all of them. */
  readonly scopes: readonly Scope[] | undefined;
  /** Its own, besides the account's. */
  readonly limits: CallLimits | undefined;
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly issuedAt: Instant;
  readonly status: CertificateStatus;
  /** When it got its status, unless that is active. */
  readonly statusAt: Instant | undefined;
  readonly reason: RevocationReason | undefined;
  /** Since when a revoked one is known or suspected to be no good (RFC 5280 §5.3.2). */
  readonly invalidityAt: Instant | undefined;
  /** Who gave it its status, as in `Change`, unless that is active. */
  readonly statusBy: string | undefined;
  /** Why, in the words of whoever did. */
  readonly note: string | undefined;
  readonly der: Uint8Array;
}

/** What a certificate's status becomes, with all that is said of it. */
export type StatusUpdate = Pick<
  CertificateRecord,
  "status" | "statusAt" | "reason" | "invalidityAt" | "statusBy" | "note"
>;

/** What of a credential decides on calls: all that the enforcement side reads. */
export type CredentialRecord = Pick<
  CertificateRecord,
  | ("fingerprint" | "issuerId" | "serial" | "accountId" | "notBefore" | "notAfter" | "status")
  | ("scopes" | "limits")
>;

/** A public key that has been seen here: whose it is, and whether it may still be signed. */
export interface KeyRecord {
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
  /** `undefined` for the keys of our own CAs and listeners, and for one that is known only as blocked. */
  readonly accountId: number | undefined;
  readonly seenAt: Instant;
  readonly blockedAt: Instant | undefined;
  /** Why, in an admin's words. */
  readonly blockedBecause: string | undefined;
}

/** A CA certificate that signs here. `root` signs issuers only, and is offline; `foreign` is not ours, and never signs here. */
export interface IssuerRecord {
  readonly id: IssuerId;
  /** How profiles and commands call it. */
  readonly name: Slug;
  readonly role: "root" | "issuing" | "foreign";
  /** A retired one signs CRLs and for OCSP alone, and stays trusted until its certificates have ended. */
  readonly status: "active" | "retired";
  readonly keyType: KeyType;
  readonly spkiHash: SpkiHash;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly der: Uint8Array;
}

/** A full CRL that deltas may start from. */
export interface CrlPoint {
  readonly number: number;
  /** Its thisUpdate. */
  readonly at: Instant;
  /** The last change that it takes into account. */
  readonly basis: number;
  /** It leaves out what expired before. */
  readonly floor: Instant;
}

/** What is known of a CRL besides its octets. */
export interface CrlHead {
  readonly issuerId: IssuerId;
  readonly number: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** The last change that it takes into account. */
  readonly basis: number;
  /** The last one that was made on schedule, and the one that the delta starts from; a root's has neither. */
  readonly scheduled: CrlPoint | undefined;
  readonly base: CrlPoint | undefined;
}

export interface CrlRecord extends CrlHead {
  readonly der: Uint8Array;
  /** The delta of the same number. */
  readonly delta: Uint8Array | undefined;
}

/** One line of a CRL. `reason` is `undefined` for "unspecified", which RFC 5280 §5.3.1 leaves out. */
export interface CrlEntry {
  readonly serial: Serial;
  readonly at: Instant;
  readonly reason: number | undefined;
  /** The invalidity date (RFC 5280 §5.3.2). */
  readonly invalidityAt?: Instant;
}

/** One mutation: what followers apply, and what the audit log is made of. */
export interface Change {
  readonly sequence: number;
  readonly time: Instant;
  readonly actor: string;
  readonly action: ChangeAction;
  /** A fingerprint, a serial, an account's slug, a token's id, a key's hash, or an issuer's id; the action tells which. */
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** One that is about to be written. */
export type NewChange = Omit<Change, "sequence">;

export type ChangeAction =
  | "home.init"
  | "account.create"
  | "account.update"
  | "account.suspend"
  | "account.resume"
  | "token.create"
  | "token.revoke"
  | "token.use"
  | "request.approve"
  | "request.deny"
  | "certificate.intend"
  | "certificate.issue"
  | "certificate.register"
  | "certificate.revoke"
  | "certificate.suspend"
  | "certificate.resume"
  | "certificate.update"
  | "credential.clone"
  | "key.block"
  | "issuer.install"
  | "issuer.retire"
  | "crl.publish"
  | "state.accept";
