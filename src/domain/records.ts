import type { Cidr } from "./address.ts";
import type { Fingerprint, IssuerId, Serial, SpkiHash } from "./identifiers.ts";
import type { Scope, Slug } from "./names.ts";
import type { RevocationReason } from "./revocation.ts";
import type { Instant } from "./time.ts";

/** Who a caller is. */
export interface Account {
  readonly id: number;
  readonly slug: Slug;
  readonly status: "active" | "suspended";
  readonly scopes: readonly Scope[];
  /** Addresses it may be used from; none means any. */
  readonly allowIps: readonly Cidr[];
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
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | undefined;
  readonly usedAt: Instant | undefined;
  /** SHA-256 of the one CSR that it was used with. */
  readonly csrHash: string | undefined;
  /** What it enrolled, once that is on record. */
  readonly fingerprint: Fingerprint | undefined;
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
  readonly spkiHash: SpkiHash;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly issuedAt: Instant;
  readonly status: CertificateStatus;
  /** When it got its status, unless that is active. */
  readonly statusAt: Instant | undefined;
  readonly reason: RevocationReason | undefined;
  readonly der: Uint8Array;
}

/** A CA certificate that signs here. `root` signs issuers only, and is offline. */
export interface IssuerRecord {
  readonly id: IssuerId;
  readonly role: "root" | "issuing";
  readonly spkiHash: SpkiHash;
  readonly der: Uint8Array;
}

export interface CrlRecord {
  readonly issuerId: IssuerId;
  readonly number: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** The last change that it takes into account. */
  readonly basis: number;
  readonly der: Uint8Array;
}

/** One line of a CRL. `reason` is `undefined` for "unspecified", which RFC 5280 §5.3.1 leaves out. */
export interface CrlEntry {
  readonly serial: Serial;
  readonly at: Instant;
  readonly reason: number | undefined;
}

/** One mutation: what followers apply, and what the audit log is made of. */
export interface Change {
  readonly sequence: number;
  readonly time: Instant;
  readonly actor: string;
  readonly action: ChangeAction;
  /** A fingerprint, an account's slug, a token's id, or an issuer's id; the action tells which. */
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export type ChangeAction =
  | "home.init"
  | "account.create"
  | "account.suspend"
  | "account.resume"
  | "token.create"
  | "token.revoke"
  | "certificate.intend"
  | "certificate.issue"
  | "certificate.revoke"
  | "certificate.suspend"
  | "certificate.resume"
  | "crl.publish";
