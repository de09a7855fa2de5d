import { Refusal } from "../../domain/errors.ts";
import type { TakenToken } from "../../domain/issuance.ts";
import type { KeyType } from "../../domain/key-policy.ts";
import type { Slug } from "../../domain/names.ts";
import type { Intent } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { type RenewalClaim, bindRenewal } from "./claim-renewal.ts";
import { type Standing, nobodySigns, requireActive, requireNotBlocked, requireUsable } from "./standing.ts";

/** What is to be on record before anything is signed. */
export interface IntentEntry {
  readonly kind: "intent";
  readonly intent: Intent;
  readonly keyType: KeyType;
  readonly actor: string;
  readonly account: Slug | undefined;
  /** For an OCSP responder, which a retired issuer still needs: its certificates are still asked about. */
  readonly isForResponder: boolean;
  /** The token that pays for it, and the CSR that it is bound to by that. */
  readonly token: TakenToken | undefined;
  /** The renewal that it is, and that pays for it instead. */
  readonly renewal?: RenewalClaim | undefined;
}

/**
 * Step: intent. Looks again, within the transaction, at everything that could have changed since it was decided, and
 * notes what this intent takes: of two in one group, the first comes first.
 *
 * @throws Refusal UNAVAILABLE, ACCOUNT_SUSPENDED, KEY_BLOCKED, KEY_IN_USE, TOKEN_*; of a renewal what `bindRenewal` does.
 */
export function admitIntent(entry: IntentEntry, standing: Standing, now: Instant): void {
  const { intent, token, keyType } = entry;
  const { accountId, issuerId, spkiHash } = intent;
  const mayStillSign = entry.isForResponder && standing.retired.has(issuerId);
  if (!standing.active.has(issuerId) && !mayStillSign) {
    throw nobodySigns(`the issuer ${issuerId} is retired`);
  }
  requireActive(standing, accountId);
  requireNotBlocked(standing, spkiHash);
  const known = standing.keys.get(spkiHash);
  if (known && known.accountId !== accountId) throw new Refusal("KEY_IN_USE");
  if (token) takeToken(token, standing, now);
  if (entry.renewal) bindRenewal(entry.renewal, standing, now);
  if (known) return;
  standing.keys.set(spkiHash, { accountId, blockedAt: undefined });
  standing.firstSeen.push({ spkiHash, keyType, accountId, seenAt: now });
}

/** Binds the token to this CSR. */
function takeToken(taken: TakenToken, standing: Standing, now: Instant): void {
  const { id, csrHash } = taken;
  const token = requireUsable(standing.tokens.get(id), now);
  if (token.csrHash === csrHash) return; // an attempt before this one did not get to its end
  if (token.csrHash !== undefined) throw new Refusal("TOKEN_USED");
  standing.tokens.set(id, { ...token, csrHash });
  standing.taken.push(taken);
}
