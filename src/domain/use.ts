import type { Fingerprint } from "./identifiers.ts";
import type { Slug } from "./names.ts";
import type { Instant } from "./time.ts";

/** What was counted of calls: all of them, and those that were denied. */
export interface UseCounts {
  /** Of the last call that was let through. */
  readonly lastAt: Instant | undefined;
  readonly requests: number;
  /** How many of the requests were denied. */
  readonly denials: number;
}

export interface CredentialUse extends UseCounts {
  readonly fingerprint: Fingerprint;
  readonly account: Slug;
  /** Where the last call that was let through came from. */
  readonly address: string | undefined;
  /** What its client calls itself: said by a stranger. */
  readonly agent: string | undefined;
}

export interface UseStore {
  /**
   * Adds to what is there; of the last calls, the newest stays. At most `USES_AT_ONCE`, each fingerprint once, all or
   * nothing. It is no change: servers have nothing to apply, so there is no row in `changes`, and no sequence number.
   */
  add(uses: readonly CredentialUse[]): Promise<void>;
  byFingerprint(fingerprint: Fingerprint): Promise<CredentialUse | undefined>;
  /** Of every credential, or an account's, that was ever used. */
  list(account?: Slug): Promise<CredentialUse[]>;
  /** Sums of its credentials'. */
  byAccount(account?: Slug): Promise<(UseCounts & { readonly account: Slug })[]>;
}

/** Few enough that a revocation does not have to wait for them: a few milliseconds. */
export const USES_AT_ONCE = 500;
