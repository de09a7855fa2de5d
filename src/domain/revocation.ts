import { type ErrorCode, Refusal } from "./errors.ts";
import type { CertificateStatus, ChangeAction } from "./records.ts";
import { type Instant, parseTime } from "./time.ts";

/** The changes that alter what a CRL says. */
export const statusChanges = [
  "certificate.revoke",
  "certificate.suspend",
  "certificate.resume",
  "account.suspend",
  "account.resume",
] as const satisfies readonly ChangeAction[];

/** The reasons of RFC 5280 §5.3.1. 7 is unused; 6 and 8 are states, not reasons to revoke for good. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;

export type RevocationReason = keyof typeof revocationReasons;

/** certificateHold: how a suspension appears in a CRL. */
export const HOLD = 6;

/** removeFromCRL: how a delta CRL says that a certificate is no longer on the list. */
export const REMOVED = 8;

/** What a credential may say of itself: the others are for the CA to say. */
export const holdersReasons: readonly RevocationReason[] = [
  "unspecified",
  "keyCompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
];

const allReasons = Object.keys(revocationReasons) as readonly RevocationReason[];

/** What else RFC 5280 has, and why it is no reason to revoke. */
const hints = new Map([
  ["certificateHold", "To suspend, use 'countersign suspend'."],
  ["removeFromCRL", "removeFromCRL is for delta CRLs only."],
  ["unused", "RFC 5280 leaves code 7 unused."],
  ["7", "RFC 5280 leaves code 7 unused."],
]);

/** Takes a reason's RFC 5280 name. Throws REASON_UNKNOWN with the names there are. */
export function parseReason(text: string, among: readonly RevocationReason[] = allReasons): RevocationReason {
  const reason = among.find((name) => name === text);
  if (reason) return reason;
  const hint = hints.get(text);
  throw new Refusal(
    "REASON_UNKNOWN",
    `No such revocation reason. There are: ${among.join(", ")}.${hint === undefined ? "" : ` ${hint}`}`,
  );
}

/** Reads an invalidity date (RFC 5280 §5.3.2). Throws TIME_INVALID, also for one that is yet to come. */
export function parseInvaliditySince(text: string, now: Instant): Instant {
  const since = parseTime(text);
  if (since > now)
    throw new Refusal("TIME_INVALID", `'${text}' is yet to come: give the time of what has happened.`);
  return since;
}

const LONGEST_NOTE = 500;

/** Reads why something was done, in somebody's words: they will be printed. Throws NOTE_INVALID. */
export function parseNote(text: string): string {
  if (text.trim() === "" || text.length > LONGEST_NOTE || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) {
    throw new Refusal("NOTE_INVALID");
  }
  return text;
}

/**
 * Why a certificate can't go from one state to another, if it can't: active and suspended go into each other, both into
 * revoked, and nothing leaves that.
 */
export function transitionFault(from: CertificateStatus, to: CertificateStatus): ErrorCode | undefined {
  if (from === "revoked") return "ALREADY_REVOKED";
  return from === to ? "STATE_UNCHANGED" : undefined;
}
