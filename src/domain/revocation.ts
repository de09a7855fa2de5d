import { Refusal } from "./errors.ts";
import type { ChangeAction } from "./records.ts";

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

/** Takes a reason's RFC 5280 name. Throws REASON_UNKNOWN with the names there are. */
export function parseReason(text: string): RevocationReason {
  if (Object.hasOwn(revocationReasons, text)) return text as RevocationReason;
  const known = Object.keys(revocationReasons).join(", ");
  const hint = text === "certificateHold" ? " To suspend, use 'countersign suspend'." : "";
  throw new Refusal("REASON_UNKNOWN", `No such revocation reason. There are: ${known}.${hint}`);
}
