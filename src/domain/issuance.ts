import type { Fingerprint, IssuerId, SpkiHash } from "./identifiers.ts";
import type {
  Account,
  CertificateRecord,
  Change,
  Intent,
  IssuerRecord,
  KeyRecord,
  TokenRecord,
} from "./records.ts";
import type { FulfilledRenewal, NewRenewal, RenewalRecord } from "./renewal.ts";
import type { Instant } from "./time.ts";

/** What a group of entries in the record of issuing is about; each named once. */
export interface IssuanceQuestion {
  readonly tokens: readonly string[];
  readonly accounts: readonly number[];
  readonly keys: readonly SpkiHash[];
  readonly issuers: readonly IssuerId[];
  /** Credentials that are being renewed. */
  readonly predecessors: readonly Fingerprint[];
}

/** How those stand. What is not on record is not among them. */
export interface IssuanceStanding {
  readonly tokens: readonly Pick<TokenRecord, "id" | "csrHash" | "fingerprint" | "expiresAt" | "revokedAt">[];
  readonly accounts: readonly Pick<Account, "id" | "status">[];
  readonly keys: readonly Pick<KeyRecord, "spkiHash" | "accountId" | "blockedAt">[];
  readonly issuers: readonly Pick<IssuerRecord, "id" | "status">[];
  readonly predecessors: readonly Pick<CertificateRecord, "fingerprint" | "status" | "scopes" | "limits">[];
  /** Theirs, of those that have one. */
  readonly renewals: readonly Pick<RenewalRecord, "predecessor" | "csrHash" | "successor">[];
}

/** A token that is used: with which CSR, and from where. */
export interface TakenToken {
  readonly id: string;
  readonly csrHash: string;
  readonly address?: string | undefined;
}

/** What a group of entries writes. */
export interface IssuanceWrites {
  readonly at: Instant;
  /** Tokens to be bound to a CSR, which none of them is. */
  readonly taken: readonly TakenToken[];
  /** Keys that are not on record. */
  readonly firstSeen: readonly Omit<KeyRecord, "blockedAt" | "blockedBecause">[];
  readonly intents: readonly Intent[];
  /** Tokens that have enrolled nothing before. */
  readonly fulfilled: readonly { readonly id: string; readonly fingerprint: Fingerprint }[];
  readonly certificates: readonly Omit<CertificateRecord, "account" | "keyType">[];
  /** Credentials to be bound to the CSR of their renewal, which none of them is. */
  readonly renewing: readonly NewRenewal[];
  /** Renewals that nothing has come of before. */
  readonly renewed: readonly FulfilledRenewal[];
  /** One for each intent and each certificate at least; without any, nothing is written. */
  readonly changes: readonly Omit<Change, "sequence">[];
}
