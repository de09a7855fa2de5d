import type { Fingerprint, IssuerId, Serial, SpkiHash } from "./identifiers.ts";
import type { KeyType } from "./key-policy.ts";
import type { Slug } from "./names.ts";
import type { ExtendedKeyUsage } from "./profile.ts";
import type {
  Account,
  CertificateRecord,
  CertificateStatus,
  Change,
  CrlEntry,
  CrlRecord,
  Intent,
  IssuerRecord,
  TokenRecord,
} from "./records.ts";
import type { RevocationReason } from "./revocation.ts";
import type { Instant } from "./time.ts";

export interface Clock {
  now(): Instant;
}

/** Returns that many octets from a cryptographic source. */
export type RandomBytes = (count: number) => Uint8Array;

/** A private key that signs; where it is kept is the adapter's business. */
export interface Signer {
  readonly keyType: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** A CA certificate and its signer. */
export interface Issuer {
  readonly id: IssuerId;
  /** The certificate, DER. */
  readonly der: Uint8Array;
  /** Its subject, a Name in DER: the issuer field of what it signs. */
  readonly subject: Uint8Array;
  readonly notAfter: Instant;
  readonly signer: Signer;
}

/** What a CSR supplies: a key, proven to be held, and nothing else. */
export interface CertificationRequest {
  /** SHA-256 of the CSR's DER, lower-case hex. */
  readonly hash: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
}

/** What a leaf certificate is to say. */
export interface LeafTemplate {
  readonly serial: Serial;
  readonly commonName: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly spki: Uint8Array;
  readonly extendedKeyUsage: readonly ExtendedKeyUsage[];
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** Base of the CRL, OCSP and CA certificate URLs; `undefined` leaves these extensions out. */
  readonly publicUrl: string | undefined;
}

/** Certificates and CRLs as bytes. All bytes are DER. */
export interface Codec {
  /** Reads PEM or DER and verifies possession and key policy. Throws CSR_*, KEY_* refusals. */
  readRequest(bytes: Uint8Array): CertificationRequest;
  /** Signs, reads the result again, compares it with the template, and throws unless they agree. */
  signLeaf(issuer: Issuer, template: LeafTemplate): Promise<Uint8Array>;
  signCrl(
    issuer: Issuer,
    crl: { number: number; thisUpdate: Instant; nextUpdate: Instant; entries: readonly CrlEntry[] },
  ): Promise<Uint8Array>;
}

export interface AccountStore {
  insert(account: Omit<Account, "id">): Promise<Account>;
  bySlug(slug: Slug): Promise<Account | undefined>;
  byId(id: number): Promise<Account | undefined>;
  list(): Promise<Account[]>;
  setStatus(id: number, status: Account["status"], suspendedAt: Instant | undefined): Promise<void>;
}

export interface TokenStore {
  insert(token: Omit<TokenRecord, "account">): Promise<void>;
  byHash(hash: string): Promise<TokenRecord | undefined>;
  byId(id: string): Promise<TokenRecord | undefined>;
  list(account?: Slug): Promise<TokenRecord[]>;
  /** Binds an unused token to a CSR; false when it was used before. */
  use(id: string, csrHash: string, at: Instant): Promise<boolean>;
  /** Records what a token enrolled; false when it has enrolled something before. */
  fulfil(id: string, fingerprint: Fingerprint): Promise<boolean>;
  revoke(id: string, at: Instant): Promise<void>;
}

export interface CertificateFilter {
  readonly account?: Slug;
  readonly status?: CertificateStatus;
  readonly expiringBefore?: Instant;
}

export interface CertificateStore {
  /** Fails when the issuer has used the serial before. */
  intend(intent: Intent): Promise<void>;
  insert(certificate: Omit<CertificateRecord, "account">): Promise<void>;
  byFingerprint(fingerprint: Fingerprint): Promise<CertificateRecord | undefined>;
  byFingerprints(fingerprints: readonly Fingerprint[]): Promise<CertificateRecord[]>;
  bySerial(serial: Serial): Promise<CertificateRecord[]>;
  list(filter: CertificateFilter): Promise<CertificateRecord[]>;
  /** Whether anyone else has asked for a certificate with this key. */
  keyUsedByAnother(spkiHash: SpkiHash, accountId: number): Promise<boolean>;
  /** Whether a certificate with this key was revoked as keyCompromise: then somebody else has it. */
  keyCompromised(spkiHash: SpkiHash): Promise<boolean>;
  setStatus(
    fingerprint: Fingerprint,
    status: CertificateStatus,
    at: Instant | undefined,
    reason: RevocationReason | undefined,
  ): Promise<void>;
  /** What belongs on the issuer's CRL, leaving out what expired before `expiredBefore`. In order of time. */
  crlEntries(issuer: IssuerId, expiredBefore: Instant): Promise<CrlEntry[]>;
  /** Every credential that is not past its end, in pages. */
  live(now: Instant): AsyncIterable<CertificateRecord[]>;
}

export interface IssuerStore {
  insert(issuer: IssuerRecord): Promise<void>;
  list(): Promise<IssuerRecord[]>;
}

export interface CrlStore {
  /** Stores an issuer's new CRL and drops the ones before it. Fails when the number was used before. */
  replace(crl: CrlRecord): Promise<void>;
  latest(issuer: IssuerId): Promise<CrlRecord | undefined>;
}

export interface ChangeStore {
  append(change: Omit<Change, "sequence">): Promise<number>;
  after(sequence: number, limit: number): Promise<Change[]>;
  last(): Promise<number>;
}

/** The servers that follow the changes, and what each has made of them. */
export interface FollowerStore {
  announce(id: string, pid: number, host: string, applied: number, now: Instant): Promise<void>;
  /** False when the server is not listed. */
  applied(id: string, sequence: number, now: Instant): Promise<boolean>;
  closing(id: string, sequence: number, connections: number): Promise<void>;
  leave(id: string): Promise<void>;
  list(seenSince: Instant): Promise<{ id: string; pid: number; host: string; applied: number }[]>;
  connectionsClosed(sequence: number): Promise<number>;
}

export interface Stores {
  readonly accounts: AccountStore;
  readonly tokens: TokenStore;
  readonly certificates: CertificateStore;
  readonly issuers: IssuerStore;
  readonly crls: CrlStore;
  readonly changes: ChangeStore;
  readonly followers: FollowerStore;
}

export interface Database extends Stores {
  /** All or nothing, and one at a time: the order of changes is the order of commits. */
  transaction<Result>(work: (stores: Stores) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** Structured logging, as pino has it. Never given a secret. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
