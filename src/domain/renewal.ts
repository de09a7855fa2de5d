import type { Fingerprint } from "./identifiers.ts";
import { BACKDATING, LONGEST_LIFE, type Validity } from "./profile.ts";
import type { CertificateRecord } from "./records.ts";
import type { Instant } from "./time.ts";

/** When a certificate is due to be renewed: at two thirds of its life, give or take a twentieth of that. */
const DUE = 2 / 3;
const JITTER = 1 / 20;

/**
 * When a certificate is due to be renewed. Where in the jitter it falls, its fingerprint says: a fleet that enrolled at
 * once does not renew at once, and whoever computes it, and whenever, finds the same time.
 *
 * Life is counted from the moment of issue, which `notBefore` lies a minute ahead of.
 */
export function renewalDue(fingerprint: Fingerprint, { notBefore, notAfter }: Validity): Instant {
  const issued = Math.min(notBefore + BACKDATING, notAfter);
  const place = Number.parseInt(fingerprint.slice(0, 8), 16) / 0xffffffff; // 0 to 1
  return Math.round(issued + (notAfter - issued) * (DUE + JITTER * (2 * place - 1)));
}

/** How a profile's certificates are renewed; milliseconds. */
export interface RenewalPolicy {
  /** How long the old one stays good beside the new one, unless it ends before. */
  readonly overlap: number;
  /** For how long one that has ended may still be renewed; `undefined` for not at all. */
  readonly afterExpiry: number | undefined;
}

/** No profile allows more than this after the end. */
export const LONGEST_AFTER_EXPIRY = LONGEST_LIFE;

/** A credential's one renewal. */
export interface RenewalRecord {
  readonly predecessor: Fingerprint;
  /** SHA-256 of the one CSR that it was renewed with. */
  readonly csrHash: string;
  /** The first credential of the line, which was enrolled and not renewed. */
  readonly line: Fingerprint;
  /** What came of it; nothing until the certificate is on record. */
  readonly successor: Fingerprint | undefined;
  readonly renewedAt: Instant | undefined;
  /** When the predecessor is to be retired: revoked as superseded. */
  readonly retireAt: Instant | undefined;
  /** When it was, or was found to have ended otherwise. */
  readonly retiredAt: Instant | undefined;
}

export type NewRenewal = Pick<RenewalRecord, "predecessor" | "csrHash" | "line">;

export interface FulfilledRenewal {
  readonly predecessor: Fingerprint;
  readonly successor: Fingerprint;
  readonly renewedAt: Instant;
  readonly retireAt: Instant;
  /** When the successor ends by itself. */
  readonly endsAt: Instant;
}

/** Who retires what was renewed, and suspends at a clone alarm. */
export const SYSTEM_ACTOR = "system";

/** Whether a certificate was retired after its renewal, and not revoked by anybody. */
export function isRetired({
  status,
  reason,
  statusBy,
}: Pick<CertificateRecord, "status" | "reason" | "statusBy">): boolean {
  return status === "revoked" && reason === "superseded" && statusBy === SYSTEM_ACTOR;
}

/**
 * Whether a certificate has revoked itself: its holder did, or whoever has a copy of its key. Of one that was renewed that
 * raises no less an alarm than its retirement: a thief could switch it off otherwise.
 */
export function hasRevokedItself({
  fingerprint,
  status,
  statusBy,
}: Pick<CertificateRecord, "fingerprint" | "status" | "statusBy">): boolean {
  return status === "revoked" && statusBy === `credential:${fingerprint}`;
}

/** What an alarm was raised for: a second renewal with another CSR, or a call with what was retired. */
export type CloneCause = "renewed-twice" | "retired-used";

export interface RenewalStore {
  byPredecessors(fingerprints: readonly Fingerprint[]): Promise<RenewalRecord[]>;
  bySuccessors(fingerprints: readonly Fingerprint[]): Promise<RenewalRecord[]>;
  /** Binds credentials to the CSR of their renewal. Fails when one is bound already. */
  bind(renewals: readonly NewRenewal[]): Promise<void>;
  /** Records what came of renewals. Fails when something came of one before. */
  fulfil(renewed: readonly FulfilledRenewal[]): Promise<void>;
  /** What came of all renewals in a line, whatever has become of it since. */
  successorsInLine(line: Fingerprint): Promise<Fingerprint[]>;
  /**
   * The credentials of a line that are active, and not past their end; past it, those that have not been renewed and perhaps
   * may still be, for `LONGEST_AFTER_EXPIRY`.
   */
  activeOfLine(line: Fingerprint, now: Instant): Promise<Fingerprint[]>;
  /** The same of those that are suspended. */
  suspendedOfLine(line: Fingerprint, now: Instant): Promise<Fingerprint[]>;
  /** The same of what came of credentials by renewal, all the way down the line; without themselves. */
  activeSuccessors(predecessors: readonly Fingerprint[], now: Instant): Promise<Fingerprint[]>;
  /** Renewals whose predecessor is to be retired now, or has ended; the first `limit`. One that is suspended waits. */
  due(now: Instant, limit: number): Promise<RenewalRecord[]>;
  /** When the next predecessor is to be retired after `now`. */
  nextDue(now: Instant): Promise<Instant | undefined>;
  retire(predecessors: readonly Fingerprint[], at: Instant): Promise<void>;
}
