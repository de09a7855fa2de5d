import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import type { FulfilledRenewal } from "../../domain/renewal.ts";
import type { Instant } from "../../domain/time.ts";
import type { Standing } from "./standing.ts";

/** A credential's one renewal: it pays for a certificate as a token does for an enrolment. */
export interface RenewalClaim {
  readonly predecessor: Fingerprint;
  readonly csrHash: string;
  /** The first credential of its line. */
  readonly line: Fingerprint;
  /** Until when it may be renewed: its end, or later where its profile says so. */
  readonly until: Instant;
  /** Its end. */
  readonly notAfter: Instant;
  /** How long it stays good beside its successor, in milliseconds. */
  readonly overlap: number;
}

/**
 * Binds a credential to the CSR of its renewal, in the transaction of the intent.
 *
 * @throws Refusal CERT_SUSPENDED, CERT_REVOKED, CERT_EXPIRED; RENEWED_BEFORE when it is bound to another CSR.
 */
export function bindRenewal(claim: RenewalClaim, standing: Standing, now: Instant): void {
  const { predecessor, csrHash, line } = claim;
  requireGood(predecessor, standing);
  if (now >= claim.until) throw new Refusal("CERT_EXPIRED");
  const before = standing.renewals.get(predecessor);
  if (before?.csrHash === csrHash) return; // an attempt before this one did not get to its end
  if (before) throw new Refusal("RENEWED_BEFORE");
  standing.renewals.set(predecessor, { predecessor, csrHash, successor: undefined });
  standing.renewing.push({ predecessor, csrHash, line });
}

/**
 * Records what came of a renewal, in the transaction of the record. An alarm since the intent wins; so does an admin who
 * has changed meanwhile what the successor was to inherit.
 *
 * @returns false when the same request has recorded its certificate first
 * @throws Refusal CERT_SUSPENDED, CERT_REVOKED, UNAVAILABLE.
 */
export function concludeRenewal(
  claim: RenewalClaim,
  successor: Pick<CertificateRecord, "fingerprint" | "notAfter" | "scopes" | "limits">,
  standing: Standing,
  now: Instant,
): boolean {
  const { predecessor } = claim;
  const { scopes, limits } = requireGood(predecessor, standing);
  const renewal = standing.renewals.get(predecessor);
  if (renewal?.csrHash !== claim.csrHash) throw new Error("a renewal was bound to another CSR");
  if (renewal.successor !== undefined) return false;
  if (JSON.stringify([scopes, limits]) !== JSON.stringify([successor.scopes, successor.limits]))
    throw new Refusal("UNAVAILABLE", undefined, "the credential's rights were changed meanwhile");
  const { fingerprint, notAfter } = successor;
  standing.renewals.set(predecessor, { ...renewal, successor: fingerprint });
  const retireAt = retirementOf(claim, now);
  standing.renewed.push({ predecessor, successor: fingerprint, renewedAt: now, retireAt, endsAt: notAfter });
  return true;
}

/** When a predecessor is to be retired that is renewed now. */
export function retirementOf(
  { notAfter, overlap }: Pick<RenewalClaim, "notAfter" | "overlap">,
  now: Instant,
): FulfilledRenewal["retireAt"] {
  return Math.min(now + overlap, notAfter);
}

function requireGood(
  fingerprint: Fingerprint,
  { predecessors }: Standing,
): Pick<CertificateRecord, "scopes" | "limits"> {
  const predecessor = predecessors.get(fingerprint);
  if (!predecessor) throw new Error("a credential vanished");
  if (predecessor.status === "suspended") throw new Refusal("CERT_SUSPENDED");
  if (predecessor.status === "revoked") throw new Refusal("CERT_REVOKED");
  return predecessor;
}
