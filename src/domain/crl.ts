import type { IssuerId } from "./identifiers.ts";
import type { Issuer } from "./ports.ts";
import type { CrlHead, CrlPoint, CrlRecord } from "./records.ts";
import type { Instant } from "./time.ts";

/** One issuer's list, kept encoded, from which its CRLs are made. */
export interface CrlBuilder {
  /**
   * Adds entries, or replaces those of the same serials.
   *
   * @param page as `CertificateStore.crlPages` gives it
   * @param mark the change up to which these are news, for deltas
   */
  put(page: string, mark?: number): Promise<void>;
  /** Signs a full CRL and a delta of the same number; drops what expired before the floor. */
  sign(issuer: Issuer, crl: CrlWanted): Promise<SignedCrls>;
  close(): Promise<void>;
}

export interface CrlWanted {
  readonly number: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly floor: Instant;
  /** What the delta starts from. */
  readonly base: CrlPoint;
  /** Where deltas are served (RFC 5280 §5.2.6). */
  readonly deltaUrl: string;
}

export interface SignedCrls {
  readonly der: Uint8Array;
  readonly entries: number;
  readonly delta: Uint8Array;
  readonly deltaEntries: number;
}

/** Which entries `crlPages` gives: all that may be on the list, or those that changes after `since` have touched. */
export type CrlSelection = { readonly floor: Instant } | { readonly since: number; readonly until: number };

export interface CrlStore {
  /**
   * Stores an issuer's new CRL and drops the ones before it. Fails when the number was used before.
   *
   * @param staging where its octets have been put already
   */
  replace(crl: CrlRecord, staging?: string): Promise<void>;
  /** Puts a piece of a large CRL where `replace` finds it. */
  stage(
    crl: Pick<CrlHead, "issuerId" | "number">,
    staging: string,
    position: number,
    octets: Uint8Array,
  ): Promise<void>;
  /** Removes a piece of a CRL that was replaced, or whose number another one got. False when there is none. */
  unstage(issuer: IssuerId): Promise<boolean>;
  /** Has the issuer's next CRL be due at once, with a number above this one, and later deltas start with it. */
  raise(issuer: IssuerId, number: number): Promise<void>;
  head(issuer: IssuerId): Promise<CrlHead | undefined>;
  /** Throws CRL_INVALID when its octets are not all there. */
  latest(issuer: IssuerId): Promise<CrlRecord | undefined>;
}
