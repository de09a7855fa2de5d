import { Refusal } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** An account's or a profile's name: `[a-z0-9][a-z0-9-]{0,62}`. */
export type Slug = Branded<"Slug">;

/** What a caller may do, such as `orders:read`. */
export type Scope = Branded<"Scope">;

export function parseSlug(text: string): Slug {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(text)) throw new Refusal("SLUG_INVALID");
  return text as Slug;
}

export function parseScope(text: string): Scope {
  if (!/^[a-z0-9][a-z0-9.:_/-]{0,63}$/.test(text)) {
    throw new Refusal("SCOPE_INVALID", `'${text}' is not a scope such as orders:read.`);
  }
  return text as Scope;
}

/** What remains of a credential's scopes under its account's; `undefined` means all of the account's. */
export function effectiveScopes(
  credential: readonly Scope[] | undefined,
  account: readonly Scope[],
): readonly Scope[] {
  return credential === undefined ? account : account.filter((scope) => credential.includes(scope));
}
