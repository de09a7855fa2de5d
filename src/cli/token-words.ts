import { type TokenRecord, isForFleet } from "../domain/records.ts";
import { formatTime } from "../domain/time.ts";
import { tokenStatus } from "../services/tokens.ts";

/** A token as `token list` and `token show` give it. */
export function shownToken(token: TokenRecord, now: number) {
  const { from, keyTypes, spkiHash } = token.rules;
  return {
    id: token.id,
    account: token.account,
    profile: token.profile,
    scopes: token.scopes,
    status: tokenStatus(token, now),
    uses: token.uses,
    usesTaken: takenUses(token),
    from,
    keyTypes,
    spki: spkiHash,
    createdAt: formatTime(token.createdAt),
    expiresAt: formatTime(token.expiresAt),
    usedAt: token.usedAt === undefined ? undefined : formatTime(token.usedAt),
    usedFrom: token.usedFrom,
    fingerprint: token.fingerprint,
  };
}

/** What it enrolled: of a fleet's token, its uses' certificates. */
export function enrolledWith(token: TokenRecord, children: readonly TokenRecord[]): string[] {
  const uses = isForFleet(token) ? children.filter(({ parent }) => parent === token.id) : [token];
  return uses.flatMap(({ fingerprint }) => fingerprint ?? []);
}

function takenUses(token: TokenRecord): number {
  return isForFleet(token) ? token.usesTaken : token.usedAt === undefined ? 0 : 1;
}

/** As `3/100`. */
export function usesInWords(shown: { readonly uses: number; readonly usesTaken: number }): string {
  return `${String(shown.usesTaken)}/${String(shown.uses)}`;
}

/** What it is bound to, for people. */
export function rulesInWords({ from, keyTypes, spki }: Partial<ReturnType<typeof shownToken>>): string {
  const rules = [
    from && `from ${from.join(",")}`,
    keyTypes && `keys ${keyTypes.join(",")}`,
    spki === undefined ? undefined : `key ${spki.slice(0, 16)}…`,
  ];
  return rules.filter((rule) => rule !== undefined).join("; ");
}
