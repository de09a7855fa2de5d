import type { Knex } from "knex";
import { parseCidr } from "../domain/address.ts";
import { parseDnsRule } from "../domain/host-names.ts";
import { noLimits } from "../domain/call-limits.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { AccountStore } from "../domain/ports.ts";
import type { Account } from "../domain/records.ts";
import { type Integer, list, number, optionalNumber } from "./rows.ts";
import { type Sql, inChunks } from "./sql.ts";
import { limitsFromText, limitsToText } from "./stored-limits.ts";

interface AccountRow {
  id: number;
  slug: Slug;
  status: Account["status"];
  scopes: string;
  allow_ips: string;
  dns_names: string;
  server_ips: string;
  created_at: Integer;
  suspended_at: Integer | null;
  limits: string | null;
}

/** An account's row beside another table's, its columns told apart by their prefix. */
export type AliasedAccountRow = { [Name in keyof AccountRow as `account_${Name}`]: AccountRow[Name] };

const columnNames: readonly (keyof AccountRow)[] = [
  ...(["id", "slug", "status", "scopes", "allow_ips", "dns_names", "server_ips"] as const),
  ...(["created_at", "suspended_at", "limits"] as const),
];

export const accountColumns = columnNames.map((name) => `accounts.${name} AS account_${name}`).join();

export function accountFrom(row: AliasedAccountRow): Account {
  const entries = columnNames.map((name) => [name, row[`account_${name}`]]);
  return fromRow(Object.fromEntries(entries) as AccountRow);
}

export function accountStore(db: Knex, sql: Sql): AccountStore {
  const accounts = () => db<AccountRow>("accounts");
  const one = (row: AccountRow | undefined): Account | undefined => (row ? fromRow(row) : undefined);
  return {
    async insert(account) {
      const [row] = await accounts()
        .insert({
          ...{ slug: account.slug, status: account.status, created_at: account.createdAt },
          ...{ suspended_at: account.suspendedAt ?? null, ...rights(account) },
        })
        .returning("id");
      if (!row) throw new Error("the account was not stored");
      return { ...account, id: row.id };
    },
    bySlug: async (slug) => one(await accounts().where({ slug }).first()),
    byId: async (id) => one(await accounts().where({ id }).first()),
    byIds: (ids) =>
      inChunks(ids, async (list, chunk) => {
        return (await sql<AccountRow>(`SELECT * FROM accounts WHERE id IN (${list})`, chunk)).map(fromRow);
      }),
    list: async () => (await accounts().orderBy("slug")).map(fromRow),
    async update(account) {
      await accounts().where({ id: account.id }).update(rights(account));
    },
    async setStatus(id, status, suspendedAt) {
      await accounts()
        .where({ id })
        .update({ status, suspended_at: suspendedAt ?? null });
    },
  };
}

/** What `update` may change. */
function rights(account: Omit<Account, "id">) {
  return {
    scopes: JSON.stringify(account.scopes),
    allow_ips: JSON.stringify(account.allowIps),
    dns_names: JSON.stringify(account.dnsNames),
    server_ips: JSON.stringify(account.serverIps),
    limits: limitsToText({ ...account, allowIps: [] }),
  };
}

function fromRow(row: AccountRow): Account {
  return {
    ...(row.limits === null ? noLimits : limitsFromText(row.limits)),
    id: row.id,
    slug: row.slug,
    status: row.status,
    scopes: list(row.scopes, parseScope),
    allowIps: list(row.allow_ips, parseCidr),
    dnsNames: list(row.dns_names, parseDnsRule),
    serverIps: list(row.server_ips, parseCidr),
    createdAt: number(row.created_at),
    suspendedAt: optionalNumber(row.suspended_at),
  };
}
