import { Refusal } from "./errors.ts";
import type { KeyType } from "./key-policy.ts";
import type { Slug } from "./names.ts";
import { DAY, MINUTE, type Instant, formatTime, wholeSeconds } from "./time.ts";

export type ExtendedKeyUsage = "clientAuth" | "serverAuth";

/** Their object identifiers (RFC 5280 §4.2.1.12). */
export const purposeIds: Readonly<Record<ExtendedKeyUsage, string>> = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
};

/** What an issued certificate may be. Lives are in milliseconds. */
export interface Profile {
  readonly name: Slug;
  readonly keyTypes: readonly KeyType[];
  readonly life: { readonly default: number; readonly max: number };
  readonly extendedKeyUsage: readonly ExtendedKeyUsage[];
}

/** No profile may allow more. */
export const LONGEST_LIFE = 90 * DAY;

/** Clocks differ: a certificate is valid from a minute before it was made. */
const BACKDATING = MINUTE;

export interface Validity {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/**
 * Decides a certificate's validity, counted from now, never past its issuer's end.
 *
 * @throws Refusal VALIDITY_INVALID when `requested` is in the past or beyond the limit.
 */
export function decideValidity(
  profile: Profile,
  now: Instant,
  issuerEnd: Instant,
  requested?: Instant,
): Validity {
  const limit = Math.min(wholeSeconds(now) + profile.life.max, issuerEnd);
  const notAfter = wholeSeconds(requested ?? Math.min(now + profile.life.default, limit));
  if (notAfter <= now) throw new Refusal("VALIDITY_INVALID", "notAfter is in the past.");
  if (notAfter > limit) {
    throw new Refusal("VALIDITY_INVALID", `notAfter is beyond the limit, ${formatTime(limit)}.`);
  }
  return { notBefore: wholeSeconds(now - BACKDATING), notAfter };
}

/** Throws KEY_UNSUPPORTED when the profile does not allow the key's type. */
export function requireKeyType(profile: Profile, type: KeyType): void {
  if (profile.keyTypes.includes(type)) return;
  const allowed = profile.keyTypes.join(", ");
  throw new Refusal("KEY_UNSUPPORTED", `The profile '${profile.name}' takes these keys: ${allowed}.`);
}
