import type { CallLimits } from "../../domain/call-limits.ts";
import { Refusal } from "../../domain/errors.ts";
import type { SpkiHash } from "../../domain/identifiers.ts";
import type { RequestedNames } from "../../domain/host-names.ts";
import type { KeyType } from "../../domain/key-policy.ts";
import type { Scope } from "../../domain/names.ts";
import type { CertificationRequest, Issuer } from "../../domain/ports.ts";
import {
  type LeafPurpose,
  type Profile,
  type SubjectNames,
  type Validity,
  decideNames,
  decideValidity,
  requireKeyType,
} from "../../domain/profile.ts";
import type { Account } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import type { IssuingParts } from "./parts.ts";
import { nobodySigns } from "./standing.ts";

/** A certificate that has been decided on: everything it is to say is settled. */
export interface Order {
  /** `undefined` for our own listeners. */
  readonly account: Account | undefined;
  readonly profile: Pick<Profile, "name" | "keyUsage"> & {
    readonly extendedKeyUsage: readonly LeafPurpose[];
  };
  readonly issuer: Issuer;
  readonly validity: Validity;
  readonly scopes: readonly Scope[] | undefined;
  /** Its own, besides the account's. */
  readonly limits?: CallLimits | undefined;
  readonly names: SubjectNames;
  readonly spki: Uint8Array;
  readonly spkiHash: SpkiHash;
  readonly keyType: KeyType;
}

/** What is renewed: where the CSR asks for no names, or is to ask for no others, they are this one's. */
interface Predecessor {
  /** The certificate. */
  readonly der: Uint8Array;
  readonly requireSameNames: boolean;
}

/** Throws PROFILE_UNKNOWN. */
export function requireProfile(profiles: ReadonlyMap<string, Profile>, name: string): Profile {
  const profile = profiles.get(name);
  if (!profile) throw new Refusal("PROFILE_UNKNOWN", `There is no profile '${name}'.`);
  return profile;
}

/** Throws UNAVAILABLE when that issuer signs nothing here any more. */
function requireIssuer({ issuers }: Pick<IssuingParts, "issuers">, profile: Profile): Issuer {
  const issuer = issuers.signing(profile.issuer);
  if (issuer) return issuer;
  throw nobodySigns(`profile ${profile.name} needs the issuer ${profile.issuer}`);
}

/**
 * Step: profile. Account and profile say everything that a certificate says, but for its key.
 *
 * @throws Refusal KEY_UNSUPPORTED, VALIDITY_INVALID, PROFILE_UNFIT, UNAVAILABLE; CSR_MALFORMED for names asked for.
 */
export function applyProfile(
  parts: IssuingParts,
  request: CertificationRequest,
  wanted: {
    readonly account: Account;
    readonly profile: Profile;
    readonly scopes: readonly Scope[] | undefined;
    readonly limits?: CallLimits | undefined;
    readonly notAfter: Instant | undefined;
    readonly predecessor?: Predecessor | undefined;
  },
): Order {
  parts.onStep?.("profile");
  const { account, profile, scopes, limits, notAfter } = wanted;
  const { spki, spkiHash, keyType } = request;
  requireKeyType(profile, keyType);
  const issuer = requireIssuer(parts, profile);
  return {
    ...{ account, profile, issuer, scopes, limits, spki, spkiHash, keyType },
    validity: decideValidity(profile, parts.clock.now(), issuer.notAfter, notAfter),
    names: decideNames(profile, account, parts.trustDomain, () =>
      namesAskedFor(parts, request, wanted.predecessor),
    ),
  };
}

function namesAskedFor(
  { codec }: Pick<IssuingParts, "codec">,
  request: CertificationRequest,
  predecessor: Predecessor | undefined,
): RequestedNames {
  const asked = codec.requestedNames(request);
  if (!predecessor) return asked;
  const isNone = asked.dnsNames.length + asked.addresses.length === 0;
  return isNone || predecessor.requireSameNames ? codec.certificateNames(predecessor.der) : asked;
}
