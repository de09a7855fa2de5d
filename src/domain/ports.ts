import type { Fingerprint, IssuerId, Serial, SpkiHash } from "./identifiers.ts";
import type { RequestedNames } from "./host-names.ts";
import type { KeyType, PublicKeyOctets } from "./key-policy.ts";
import type { IssuanceQuestion, IssuanceStanding, IssuanceWrites, TakenToken } from "./issuance.ts";
import type { Slug } from "./names.ts";
import type { CrlSelection, CrlStore } from "./crl.ts";
import type { CertId, OcspAnswers, OcspFailure, OcspRequest, OcspSigner, Standing } from "./ocsp.ts";
import type { KeyUsage, LeafPurpose, SubjectNames, Validity } from "./profile.ts";
import type {
  Account,
  CertificateRecord,
  CertificateStatus,
  Change,
  CredentialRecord,
  CrlEntry,
  Intent,
  IssuerRecord,
  KeyRecord,
  NewChange,
  StatusUpdate,
  TokenRecord,
} from "./records.ts";
import type { RenewalStore } from "./renewal.ts";
import type { RequestStore } from "./request.ts";
import type { RevocationReason } from "./revocation.ts";
import type { Instant } from "./time.ts";
import type { UseStore } from "./use.ts";

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
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly signer: Signer;
}

/** A CSR that is well formed. Of its contents, only the key counts, and where a profile allows it, names asked for. */
export interface CertificationRequest {
  /** SHA-256 of the CSR's DER, lower-case hex. */
  readonly hash: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly spkiHash: SpkiHash;
  readonly key: PublicKeyOctets;
  readonly keyType: KeyType;
  /** What was signed with the key, and how; all DER but the signature's octets. */
  readonly proof: {
    readonly info: Uint8Array;
    readonly algorithm: Uint8Array;
    readonly signature: Uint8Array;
  };
  /** The attributes, DER; empty when there are none. */
  readonly attributes: Uint8Array;
}

/** What a leaf certificate is to say. */
export interface LeafTemplate extends SubjectNames, Validity {
  readonly serial: Serial;
  readonly spki: Uint8Array;
  readonly keyUsage: readonly KeyUsage[];
  /** With OCSPSigning, clients are told not to check it any further (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1). */
  readonly extendedKeyUsage: readonly LeafPurpose[];
  /** Base of the CRL, OCSP and CA certificate URLs; `undefined` leaves these extensions out. */
  readonly publicUrl: string | undefined;
}

/** Certificates, CRLs and OCSP as bytes. All bytes are DER. */
export interface Codec {
  /** Reads PEM or DER. Throws CSR_MALFORMED, and KEY_* for what is no key of a type signed here. */
  parseRequest(bytes: Uint8Array): CertificationRequest;
  /** Whether whoever made the CSR holds its key. Throws CSR_SIGNATURE_INVALID. */
  verifyPossession(request: CertificationRequest): void;
  /** The names that a CSR asks for. Throws CSR_MALFORMED. */
  requestedNames(request: CertificationRequest): RequestedNames;
  /** Whether a CSR asks for no other names than a certificate of ours has. Throws CSR_MALFORMED. */
  keepsNames(request: CertificationRequest, certificate: Uint8Array): boolean;
  /** Those names of a certificate of ours that a CSR can ask for. */
  certificateNames(certificate: Uint8Array): RequestedNames;
  /** Signs a leaf; it is not to be released before `compareLeaf` has seen it. */
  signLeaf(issuer: Issuer, template: LeafTemplate): Promise<Uint8Array>;
  /** Reads what was signed again, and names the ways in which it is not what was meant; none is the good answer. */
  compareLeaf(der: Uint8Array, issuer: Issuer, template: LeafTemplate): string[];
  /** A certificate as PEM (RFC 7468). */
  toPem(der: Uint8Array): string;
  signCrl(
    issuer: Issuer,
    crl: { number: number; thisUpdate: Instant; nextUpdate: Instant; entries: readonly CrlEntry[] },
  ): Promise<Uint8Array>;
  /** Reads an OCSP request; `undefined` for what is none. */
  readOcspRequest(bytes: Uint8Array): OcspRequest | undefined;
  /** Every way in which a CertID may name this issuer. */
  ocspIssuerNames(issuer: Pick<Issuer, "subject" | "signer">): readonly CertId["issuer"][];
  signOcspAnswers(responder: OcspSigner, answers: OcspAnswers): Promise<Uint8Array>;
  /** An OCSP response that says only why there is no answer, and is not signed. */
  ocspFailure(failure: OcspFailure): Uint8Array;
}

/** A public key by itself. */
export interface PlainKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
}

/** What tells who holds a key. */
export interface KeyProofs {
  /** Reads a SubjectPublicKeyInfo, PEM or base64 of DER. Throws BODY_MALFORMED, KEY_UNSUPPORTED, KEY_WEAK. */
  readKey(text: string): PlainKey;
  isSignedBy(key: PlainKey, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface AccountStore {
  insert(account: Omit<Account, "id">): Promise<Account>;
  bySlug(slug: Slug): Promise<Account | undefined>;
  byId(id: number): Promise<Account | undefined>;
  byIds(ids: readonly number[]): Promise<Account[]>;
  list(): Promise<Account[]>;
  update(account: Account): Promise<void>;
  setStatus(id: number, status: Account["status"], suspendedAt: Instant | undefined): Promise<void>;
}

export interface TokenStore {
  insert(token: Omit<TokenRecord, "account">): Promise<void>;
  /** With their accounts. */
  byHashes(hashes: readonly string[]): Promise<{ readonly token: TokenRecord; readonly account: Account }[]>;
  byId(id: string): Promise<TokenRecord | undefined>;
  byIds(ids: readonly string[]): Promise<TokenRecord[]>;
  /** The newest first; without those that have a parent. */
  list(account?: Slug): Promise<TokenRecord[]>;
  /** Those whose parents these are, the oldest first. */
  childrenOf(parents: readonly string[]): Promise<TokenRecord[]>;
  /** Binds tokens to their CSRs. Fails when one is bound already. */
  use(uses: readonly TakenToken[], at: Instant): Promise<void>;
  /** Takes one of several uses. Fails when none is left. */
  takeUse(id: string, at: Instant, from: string | undefined): Promise<void>;
  /** Records what tokens enrolled. Fails when one has enrolled something already. */
  fulfil(fulfilled: readonly { readonly id: string; readonly fingerprint: Fingerprint }[]): Promise<void>;
  revoke(id: string, at: Instant): Promise<void>;
  /** Revokes those that have enrolled nothing yet, of one parent or of all; returns their ids. */
  revokeChildren(parent: string | undefined, at: Instant): Promise<string[]>;
}

export interface KeyStore {
  byHashes(hashes: readonly SpkiHash[]): Promise<KeyRecord[]>;
  /** Records whose keys these are; one that is known already stays whose it is. */
  bind(keys: readonly Omit<KeyRecord, "blockedAt" | "blockedBecause">[]): Promise<void>;
  /** One that is blocked already stays as it is. */
  block(key: Pick<KeyRecord, "spkiHash" | "keyType">, at: Instant, because: string): Promise<void>;
  blocked(): Promise<KeyRecord[]>;
}

export interface CertificateFilter {
  readonly account?: Slug;
  readonly status?: CertificateStatus;
  readonly expiringBefore?: Instant;
  readonly keyType?: KeyType;
  readonly issuer?: IssuerId;
  readonly spkiHash?: SpkiHash;
  /** Issued before, and no call let through since. */
  readonly unusedSince?: Instant;
}

export interface CredentialTally {
  readonly status: CertificateStatus;
  readonly reason: RevocationReason | undefined;
  /** Which of the times asked about they end before: an index, or their number for none. */
  readonly endsBefore: number;
  readonly count: number;
}

/** Which credentials a command is about, all at once. */
export type CredentialGroup =
  { readonly account: Slug } | { readonly spkiHash: SpkiHash } | { readonly issuer: IssuerId };

export interface CertificateStore {
  /** Fails when an issuer has used a serial before. Their keys are on record already. */
  intend(intents: readonly Intent[]): Promise<void>;
  /** Each has been intended before. */
  insert(certificates: readonly Omit<CertificateRecord, "account" | "keyType">[]): Promise<void>;
  byFingerprint(fingerprint: Fingerprint): Promise<CertificateRecord | undefined>;
  byFingerprints(fingerprints: readonly Fingerprint[]): Promise<CertificateRecord[]>;
  bySerials(serials: readonly Serial[]): Promise<CertificateRecord[]>;
  list(filter: CertificateFilter): Promise<CertificateRecord[]>;
  /** Credentials of a group that are in one of these states and not past their end, by serial, after `after`. */
  inGroup(
    group: CredentialGroup,
    states: readonly CertificateStatus[],
    page: { readonly now: Instant; readonly after: Serial | undefined; readonly limit: number },
  ): Promise<CertificateRecord[]>;
  /** Fails when one of them is revoked, or not on record: revoked is final. */
  setStatus(fingerprints: readonly Fingerprint[], update: StatusUpdate): Promise<void>;
  /** Fails when it is not on record. */
  setRights(fingerprint: Fingerprint, rights: Pick<CertificateRecord, "scopes" | "limits">): Promise<void>;
  /**
   * What belongs on the issuer's CRL, as text, for an object per entry would be too much: `serial,at,reason,notAfter[,invalidityAt];…`, times in ms, the reason
   * as RFC 5280 numbers it, 8 for what is not on the list. In the order of serials, but for what a suspended account has.
   */
  crlPages(issuer: IssuerId, selection: CrlSelection): AsyncIterable<string>;
  /** How an issuer's certificates stand; what is not on record is not among them. */
  standings(issuer: IssuerId, serials: readonly Serial[]): Promise<Standing[]>;
  /** Those of an account, by fingerprint. */
  credentials(fingerprints: readonly Fingerprint[]): Promise<CredentialRecord[]>;
  /** How many credentials there are, by state, reason and the first of these times (in order) that they end before. */
  tally(ends: readonly Instant[]): Promise<CredentialTally[]>;
  /** Every credential that is not past its end, in pages. */
  live(now: Instant): AsyncIterable<CredentialRecord[]>;
}

export interface IssuerStore {
  insert(issuer: IssuerRecord): Promise<void>;
  /** Ours, by name; the root too. */
  list(): Promise<IssuerRecord[]>;
  /** Those of registered credentials, which are not ours. */
  foreign(): Promise<IssuerRecord[]>;
  retire(id: IssuerId): Promise<void>;
}

export interface ChangeStore {
  /** Returns the last one's sequence number. */
  append(changes: readonly NewChange[]): Promise<number>;
  after(sequence: number, limit: number): Promise<Change[]>;
  last(): Promise<number>;
  /** The last one itself. */
  newest(): Promise<Change | undefined>;
  /** The last one of those that alter what a CRL says; 0 when there is none. */
  lastOfStatus(): Promise<number>;
}

/** The servers that follow the changes, and what each has made of them. */
export interface FollowerStore {
  /** Lists a server, or has one that is listed begin anew: what it said of earlier changes is forgotten. */
  announce(id: string, pid: number, host: string, applied: number, now: Instant): Promise<void>;
  /** False when the server is not listed. */
  applied(id: string, sequence: number, now: Instant): Promise<boolean>;
  closing(id: string, sequence: number, connections: number): Promise<void>;
  leave(id: string): Promise<void>;
  list(seenSince: Instant): Promise<{ id: string; pid: number; host: string; applied: number }[]>;
  /** Because of the changes from the first to the last. */
  connectionsClosed(first: number, last: number): Promise<number>;
}

export interface Stores {
  readonly accounts: AccountStore;
  readonly tokens: TokenStore;
  readonly requests: RequestStore;
  readonly keys: KeyStore;
  readonly certificates: CertificateStore;
  readonly issuers: IssuerStore;
  readonly crls: CrlStore;
  readonly changes: ChangeStore;
  readonly followers: FollowerStore;
  readonly uses: UseStore;
  readonly renewals: RenewalStore;
}

export interface Database extends Stores {
  /** All or nothing, and one at a time: the order of changes is the order of commits. */
  transaction<Result>(work: (stores: Stores) => Promise<Result>): Promise<Result>;
  /**
   * The one transaction that has to be quick: asks how things stand, has `decide` say what is to be written, and writes
   * it, with nothing changed by others in between. `decide` may be called again, and must not remember.
   */
  issue<Outcome>(
    question: IssuanceQuestion,
    decide: (standing: IssuanceStanding) => { readonly outcome: Outcome; readonly writes: IssuanceWrites },
  ): Promise<Outcome>;
  /**
   * Told after each of this process's own transactions was committed, with what it has changed – but not of `issue`, for which
   * nobody waits –, until what is returned is called.
   */
  onCommit(listener: (changes: readonly NewChange[]) => void): () => void;
  close(): Promise<void>;
}

/** Structured logging, as pino has it. Never given a secret. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
