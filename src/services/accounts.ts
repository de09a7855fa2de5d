import { Refusal } from "../domain/errors.ts";
import type { Slug } from "../domain/names.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { Account } from "../domain/records.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** What an admin gives an account, and may change. */
export type AccountRights = Pick<Account, "scopes" | "allowIps" | "dnsNames" | "serverIps">;

/** It may call from anywhere, whatever needs no scope, and its certificates may name no servers. */
export const noRights: AccountRights = { scopes: [], allowIps: [], dnsNames: [], serverIps: [] };

/** Throws ACCOUNT_EXISTS. */
export async function createAccount(
  database: Database,
  mutation: Mutation,
  wanted: { readonly slug: Slug } & AccountRights,
): Promise<Account> {
  return database.transaction(async (stores) => {
    if (await stores.accounts.bySlug(wanted.slug)) throw new Refusal("ACCOUNT_EXISTS");
    const account = await stores.accounts.insert({
      ...wanted,
      status: "active",
      createdAt: mutation.clock.now(),
      suspendedAt: undefined,
    });
    const { slug, ...rights } = wanted;
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
): Promise<{ readonly account: Account; readonly sequence: number }> {
  return database.transaction(async (stores) => {
    const account = { ...(await requireAccount(stores, slug)), ...changes };
    await stores.accounts.update(account);
    return { account, sequence: await recordChange(stores, mutation, "account.update", slug, changes) };
  });
}

/** Throws NOT_FOUND, naming the account. */
export async function requireAccount(stores: Stores, slug: Slug): Promise<Account> {
  const account = await stores.accounts.bySlug(slug);
  if (!account) throw new Refusal("NOT_FOUND", `There is no account '${slug}'.`);
  return account;
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
