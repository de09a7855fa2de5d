import type { SpkiHash } from "./identifiers.ts";
import type { KeyType } from "./key-policy.ts";
import type { Slug } from "./names.ts";
import { DAY, type Instant, MINUTE, SECOND } from "./time.ts";

/** For how long a request waits for a decision, and an approved one for its client. */
export const REQUEST_LIFE = DAY;

/**
 * Somebody's wish for a certificate, without a token. The CSR itself isn't kept: whoever asked has it, and sends it again.
 */
export interface RequestRecord {
  readonly id: string;
  /** SHA-256 of the CSR, by which its client comes back. */
  readonly csrHash: string;
  /** What the admin compares, and approves. */
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
  /** Where it came from first, and whom that counts for. */
  readonly address: string;
  readonly addressGroup: string;
  /** The profile that was asked for. */
  readonly profile: Slug | undefined;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  readonly status: "pending" | "approved" | "denied";
  /** All of these once it is decided on. */
  readonly decidedAt: Instant | undefined;
  readonly decidedBy: string | undefined;
  readonly note: string | undefined;
  /** These once it is approved. The token is bound to the CSR, and nobody has it. */
  readonly account: Slug | undefined;
  readonly tokenId: string | undefined;
}

/** How many requests may wait. */
export interface ApprovalLimits {
  /** From one address; an IPv6 host has a /64. */
  readonly pendingPerAddress: number;
  readonly pending: number;
}

/** From one network, a /56 of IPv6, so many times what may wait from one address. */
export const NETWORK_HOSTS = 10;

export const defaultApprovalLimits: ApprovalLimits = { pendingPerAddress: 5, pending: 1000 };

/** How long a client should wait before it asks again, in milliseconds: an admin who is there decides soon. */
export function retryAfter({ createdAt }: Pick<RequestRecord, "createdAt">, now: Instant): number {
  return now - createdAt < 10 * MINUTE ? 5 * SECOND : 30 * SECOND;
}

/** What waits for an admin, and what was decided on it. */
export interface RequestStore {
  /** Fails when there is one with this CSR. */
  insert(request: RequestRecord): Promise<void>;
  byCsrHash(csrHash: string): Promise<RequestRecord | undefined>;
  /** The oldest first. */
  byKey(spkiHash: SpkiHash): Promise<RequestRecord[]>;
  list(): Promise<RequestRecord[]>;
  /** How many wait that have not ended by then: of an address, of its network, and in all. */
  pending(
    addressGroup: string,
    now: Instant,
  ): Promise<{ readonly ofAddress: number; readonly ofNetwork: number; readonly inAll: number }>;
  decide(id: string, decision: RequestDecision): Promise<void>;
  deleteEnded(now: Instant): Promise<void>;
  /** Deletes what is not denied; returns how many. */
  deleteOpen(): Promise<number>;
}

export type RequestDecision = Pick<
  RequestRecord,
  "status" | "expiresAt" | "decidedAt" | "decidedBy" | "note" | "account" | "tokenId"
>;
