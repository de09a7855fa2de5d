import { Refusal } from "../../domain/errors.ts";

import type { Scope } from "../../domain/names.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import { type Profile, decideValidity, requireKeyType } from "../../domain/profile.ts";
import type { Account } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import type { IssuingParts, Order } from "./issue.ts";

/** Throws PROFILE_UNKNOWN. */
export function requireProfile(parts: Pick<IssuingParts, "profiles">, name: string): Profile {
  const profile = parts.profiles.get(name);
  if (!profile) throw new Refusal("PROFILE_UNKNOWN", `There is no profile '${name}'.`);
  return profile;
}

/**
 * Decides what an account's certificate says: the account and the profile give everything but the key.
 *
 * @throws Refusal KEY_UNSUPPORTED, VALIDITY_INVALID.
 */
export function clientOrder(
  parts: IssuingParts,
  wanted: {
    readonly account: Account;
    readonly profile: Profile;
    readonly request: CertificationRequest;
    readonly scopes: readonly Scope[] | undefined;
    readonly notAfter: Instant | undefined;
  },
): Order {
  const { account, profile, request, scopes } = wanted;
  requireKeyType(profile, request.keyType);
  return {
    account,
    profile,
    validity: decideValidity(profile, parts.clock.now(), parts.issuer.notAfter, wanted.notAfter),
    scopes,
    commonName: account.slug,
    uris: [`spiffe://${parts.trustDomain}/account/${account.slug}`],
    dnsNames: [],
    addresses: [],
    spki: request.spki,
    spkiHash: request.spkiHash,
  };
}
