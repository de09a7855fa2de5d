import { Refusal } from "../domain/errors.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Database, RandomBytes } from "../domain/ports.ts";
import { type Profile, requireKeyType } from "../domain/profile.ts";
import { type TokenRecord, isForFleet } from "../domain/records.ts";
import { DAY, type Instant, MINUTE } from "../domain/time.ts";
import { type TokenRules, noRules } from "../domain/token-rules.ts";
import { type Token, hashToken, makeToken } from "../domain/token.ts";
import { requireAccount, requireScopesOf } from "./accounts.ts";
import { type Mutation, recordChange } from "./record-change.ts";

export const DEFAULT_TTL = 15 * MINUTE;
const LONGEST_TTL = 30 * DAY;
const MOST_USES = 100_000;

/**
 * Makes an enrolment token. It is returned once; only its hash is stored.
 *
 * @param wanted.ttl milliseconds
 * @param wanted.rules what it is bound to besides; nothing when not given
 * @param wanted.uses for how many CSRs (1)
 * @throws Refusal NOT_FOUND, ACCOUNT_SUSPENDED, SCOPE_INVALID, DURATION_INVALID, USES_INVALID, CIDR_INVALID,
 * KEY_UNSUPPORTED.
 */
export async function createToken(
  database: Database,
  mutation: Mutation,
  randomBytes: RandomBytes,
  wanted: {
    readonly account: Slug;
    readonly profile: Profile;
    readonly scopes?: readonly Scope[] | undefined;
    readonly ttl: number;
    readonly rules?: Partial<TokenRules>;
    readonly uses?: number | undefined;
  },
): Promise<{ readonly token: Token; readonly id: string; readonly expiresAt: Instant }> {
  const { ttl, scopes, uses = 1, profile } = wanted;
  const rules = { ...noRules, ...wanted.rules };
  if (ttl > LONGEST_TTL) throw new Refusal("DURATION_INVALID", "A token lives for 30 days at most.");
  if (!Number.isInteger(uses) || uses < 1 || uses > MOST_USES) throw new Refusal("USES_INVALID");
  requireSense(rules, profile);
  const token = makeToken(randomBytes);
  const id = Buffer.from(randomBytes(6)).toString("hex");
  return database.transaction(async (stores) => {
    const account = await requireAccount(stores, wanted.account);
    if (account.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
    requireScopesOf(account, scopes);
    const createdAt = mutation.clock.now();
    const expiresAt = createdAt + ttl;
    await stores.tokens.insert({
      id,
      hash: hashToken(token),
      accountId: account.id,
      profile: profile.name,
      ...{ scopes, rules, uses, usesTaken: 0, parent: undefined },
      createdAt,
      expiresAt,
      revokedAt: undefined,
      usedAt: undefined,
      usedFrom: undefined,
      csrHash: undefined,
      fingerprint: undefined,
    });
    const several = uses > 1 ? { uses } : {};
    const detail = { account: account.slug, profile: profile.name, scopes, expiresAt, ...rules, ...several };
    await recordChange(stores, mutation, "token.create", id, detail);
    return { token, id, expiresAt };
  });
}

/** A rule that nothing can fulfil is a mistake. Throws CIDR_INVALID, KEY_UNSUPPORTED. */
function requireSense({ from, keyTypes }: TokenRules, profile: Profile): void {
  if (from?.length === 0) throw new Refusal("CIDR_INVALID", "The token could be used from nowhere.");
  if (keyTypes?.length === 0) throw new Refusal("KEY_UNSUPPORTED", "The token would take no key at all.");
  for (const type of keyTypes ?? []) requireKeyType(profile, type);
}

/**
 * Makes a token useless. Of a fleet's, the uses that are left end, and those that have enrolled nothing yet.
 *
 * @throws Refusal NOT_FOUND, TOKEN_USED, ALREADY_REVOKED.
 */
export async function revokeToken(database: Database, mutation: Mutation, id: string): Promise<void> {
  await database.transaction(async (stores) => {
    const token = await stores.tokens.byId(id);
    if (!token) throw new Refusal("NOT_FOUND", `There is no token '${id}'.`);
    if (token.revokedAt !== undefined) throw new Refusal("ALREADY_REVOKED");
    if (!isForFleet(token) && token.usedAt !== undefined) {
      throw new Refusal("TOKEN_USED", "The token was used already: revoke the certificate that it enrolled.");
    }
    const now = mutation.clock.now();
    await stores.tokens.revoke(id, now);
    const unfulfilled = (await stores.tokens.revokeChildren(id, now)).length;
    const detail = isForFleet(token) ? { usesTaken: token.usesTaken, unfulfilled } : {};
    await recordChange(stores, mutation, "token.revoke", id, detail);
  });
}

type TokenStatus = "open" | "used" | "expired" | "revoked";

/** A fleet's token is open until its last use is taken. */
export function tokenStatus(token: TokenRecord, now: Instant): TokenStatus {
  if (!isForFleet(token) && token.usedAt !== undefined) return "used";
  if (token.revokedAt !== undefined) return "revoked";
  if (isForFleet(token) && token.usesTaken >= token.uses) return "used";
  return token.expiresAt <= now ? "expired" : "open";
}
