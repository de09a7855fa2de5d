import { Refusal } from "../domain/errors.ts";
import { type Burst, type CallLimits, withBurst, noLimits } from "../domain/call-limits.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { Account } from "../domain/records.ts";
import { type Mutation, changesDetail, recordChange } from "./record-change.ts";

/** What an admin gives an account, and may change. */
export type AccountRights = CallLimits & Pick<Account, "scopes" | "dnsNames" | "serverIps">;

/** It may call from anywhere, whatever needs no scope, and its certificates may name no servers. */
export const noRights: AccountRights = { ...noLimits, scopes: [], dnsNames: [], serverIps: [] };

/** Throws ACCOUNT_EXISTS. */
export async function createAccount(
  database: Database,
  mutation: Mutation,
  wanted: { readonly slug: Slug } & AccountRights,
  burst?: Burst,
): Promise<Account> {
  const { slug, ...given } = wanted;
  const rights = { ...given, rate: withBurst(given.rate, burst) };
  return database.transaction(async (stores) => {
    if (await stores.accounts.bySlug(slug)) throw new Refusal("ACCOUNT_EXISTS");
    const account = await stores.accounts.insert({
      ...rights,
      slug,
      status: "active",
      createdAt: mutation.clock.now(),
      suspendedAt: undefined,
    });
    await recordChange(stores, mutation, "account.create", slug, rights);
    return account;
  });
}

/**
 * Changes what an account may do, for its live credentials too, from the next request on; or be called, in certificates
 * from now on.
 *
 * @returns the account as it is now, and the change's sequence number.
 * @throws Refusal NOT_FOUND.
 */
export async function updateAccount(
  database: Database,
  mutation: Mutation,
  slug: Slug,
  changes: Partial<AccountRights>,
  burst?: Burst,
): Promise<{ readonly account: Account; readonly sequence: number }> {
  return database.transaction(async (stores) => {
    const current = await requireAccount(stores, slug);
    const account = { ...current, ...changes };
    const rate = withBurst(account.rate, burst);
    const updated = { ...account, rate };
    await stores.accounts.update(updated);
    const detail = changesDetail(burst === undefined ? changes : { ...changes, rate });
    return {
      account: updated,
      sequence: await recordChange(stores, mutation, "account.update", slug, detail),
    };
  });
}

/** Throws NOT_FOUND, naming the account. */
export async function requireAccount(stores: Stores, slug: Slug): Promise<Account> {
  const account = await stores.accounts.bySlug(slug);
  if (!account) throw new Refusal("NOT_FOUND", `There is no account '${slug}'.`);
  return account;
}

/** What narrows an account's scopes has no others. Throws SCOPE_INVALID. */
export function requireScopesOf(account: Account, scopes: readonly Scope[] | undefined): void {
  const beyond = scopes?.find((scope) => !account.scopes.includes(scope));
  if (beyond !== undefined) throw new Refusal("SCOPE_INVALID", `The account has no scope '${beyond}'.`);
}

/**
 * Denies all of an account's calls until it is resumed, and the reverse.
 *
 * @returns the change's sequence number.
 * @throws Refusal NOT_FOUND, STATE_UNCHANGED.
 */
export async function setAccountStatus(
  database: Database,
  mutation: Mutation,
  slug: Slug,
  status: Account["status"],
): Promise<number> {
  return database.transaction(async (stores) => {
    const account = await requireAccount(stores, slug);
    if (account.status === status) throw new Refusal("STATE_UNCHANGED", `The account is ${status} already.`);
    const isSuspension = status === "suspended";
    await stores.accounts.setStatus(account.id, status, isSuspension ? mutation.clock.now() : undefined);
    return recordChange(stores, mutation, isSuspension ? "account.suspend" : "account.resume", slug);
  });
}
