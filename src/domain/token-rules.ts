import { type Cidr, addressMatcher } from "./address.ts";
import { Refusal } from "./errors.ts";
import type { SpkiHash } from "./identifiers.ts";
import type { KeyType } from "./key-policy.ts";

/** What an enrolment token is bound to besides account, profile and scopes; `undefined` binds it to nothing. */
export interface TokenRules {
  /** Where it may be used from. */
  readonly from: readonly Cidr[] | undefined;
  /** Of the key that it enrols. */
  readonly keyTypes: readonly KeyType[] | undefined;
  /** The one key that it enrols. */
  readonly spkiHash: SpkiHash | undefined;
}

export const noRules: TokenRules = { from: undefined, keyTypes: undefined, spkiHash: undefined };

/**
 * @param address the socket's; one that is not known is within no range
 * @throws Refusal TOKEN_ADDRESS.
 */
export function requireAddress({ from }: TokenRules, address: string | undefined): void {
  if (from === undefined || (address !== undefined && addressMatcher(from)(address))) return;
  throw new Refusal(
    "TOKEN_ADDRESS",
    address
      ? `This enrolment token cannot be used from ${address}, where the CA sees you. Ask for one that can.`
      : undefined,
  );
}

/** Throws KEY_UNSUPPORTED, TOKEN_KEY. */
export function requireOwnKey(
  { keyTypes, spkiHash }: TokenRules,
  key: { readonly keyType: KeyType; readonly spkiHash: SpkiHash },
): void {
  if (keyTypes && !keyTypes.includes(key.keyType)) {
    throw new Refusal("KEY_UNSUPPORTED", `The enrolment token takes these keys: ${keyTypes.join(", ")}.`);
  }
  if (spkiHash !== undefined && spkiHash !== key.spkiHash) throw new Refusal("TOKEN_KEY");
}
