import { Refusal } from "../domain/errors.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Database, RandomBytes } from "../domain/ports.ts";
import type { Profile } from "../domain/profile.ts";
import type { TokenRecord } from "../domain/records.ts";
import { DAY, type Instant, MINUTE } from "../domain/time.ts";
import { type Token, hashToken, makeToken } from "../domain/token.ts";
import { requireAccount, requireScopesOf } from "./accounts.ts";
import { type Mutation, recordChange } from "./record-change.ts";

export const DEFAULT_TTL = 15 * MINUTE;
const LONGEST_TTL = 30 * DAY;

/**
 * Makes an enrolment token. It is returned once; only its hash is stored.
 *
 * @param wanted.ttl milliseconds
 * @throws Refusal NOT_FOUND, ACCOUNT_SUSPENDED, SCOPE_INVALID, DURATION_INVALID.
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
  },
): Promise<{ readonly token: Token; readonly id: string; readonly expiresAt: Instant }> {
  const { ttl, scopes } = wanted;
  if (ttl > LONGEST_TTL) throw new Refusal("DURATION_INVALID", "A token lives for 30 days at most.");
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
      profile: wanted.profile.name,
      scopes,
      createdAt,
      expiresAt,
      revokedAt: undefined,
      usedAt: undefined,
      csrHash: undefined,
      fingerprint: undefined,
    });
    const detail = { account: account.slug, profile: wanted.profile.name, scopes, expiresAt };
    await recordChange(stores, mutation, "token.create", id, detail);
    return { token, id, expiresAt };
  });
}

/** Throws NOT_FOUND, TOKEN_USED, ALREADY_REVOKED. */
export async function revokeToken(database: Database, mutation: Mutation, id: string): Promise<void> {
  await database.transaction(async (stores) => {
    const token = await stores.tokens.byId(id);
    if (!token) throw new Refusal("NOT_FOUND", `There is no token '${id}'.`);
    if (token.revokedAt !== undefined) throw new Refusal("ALREADY_REVOKED");
    if (token.usedAt !== undefined) {
      throw new Refusal("TOKEN_USED", "The token was used already: revoke the certificate that it enrolled.");
    }
    await stores.tokens.revoke(id, mutation.clock.now());
    await recordChange(stores, mutation, "token.revoke", id);
  });
}

type TokenStatus = "open" | "used" | "expired" | "revoked";

export function tokenStatus(token: TokenRecord, now: Instant): TokenStatus {
  if (token.usedAt !== undefined) return "used";
  if (token.revokedAt !== undefined) return "revoked";
  return token.expiresAt <= now ? "expired" : "open";
}
