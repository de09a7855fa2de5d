import type { Knex } from "knex";
import { parseCidr } from "../domain/address.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { AccountStore } from "../domain/ports.ts";
import type { Account } from "../domain/records.ts";
import { type Integer, list, number, optionalNumber } from "./rows.ts";

interface AccountRow {
  id: number;
  slug: Slug;
  status: Account["status"];
  scopes: string;
  allow_ips: string;
  created_at: Integer;
  suspended_at: Integer | null;
}

export function accountStore(db: Knex): AccountStore {
  const accounts = () => db<AccountRow>("accounts");
  const one = (row: AccountRow | undefined): Account | undefined => (row ? fromRow(row) : undefined);
  return {
    async insert(account) {
      const [row] = await accounts()
        .insert({
          slug: account.slug,
          status: account.status,
          scopes: JSON.stringify(account.scopes),
          allow_ips: JSON.stringify(account.allowIps),
          created_at: account.createdAt,
          suspended_at: account.suspendedAt ?? null,
        })
        .returning("id");
      if (!row) throw new Error("the account was not stored");
      return { ...account, id: row.id };
    },
    bySlug: async (slug) => one(await accounts().where({ slug }).first()),
    byId: async (id) => one(await accounts().where({ id }).first()),
    list: async () => (await accounts().orderBy("slug")).map(fromRow),
    async setStatus(id, status, suspendedAt) {
      await accounts()
        .where({ id })
        .update({ status, suspended_at: suspendedAt ?? null });
    },
  };
}

function fromRow(row: AccountRow): Account {
  return {
    id: row.id,
    slug: row.slug,
    status: row.status,
    scopes: list(row.scopes, parseScope),
    allowIps: list(row.allow_ips, parseCidr),
    createdAt: number(row.created_at),
    suspendedAt: optionalNumber(row.suspended_at),
  };
}
