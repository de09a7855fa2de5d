import type { Knex } from "knex";
import type { Fingerprint } from "../domain/identifiers.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { TokenStore } from "../domain/ports.ts";
import type { TokenRecord } from "../domain/records.ts";
import { type AliasedAccountRow, accountColumns, accountFrom } from "./account-store.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";
import { type Sql, inChunks, repeat } from "./sql.ts";

interface TokenRow {
  id: string;
  hash: string;
  account_id: number;
  profile: Slug;
  scopes: string | null;
  created_at: Integer;
  expires_at: Integer;
  revoked_at: Integer | null;
  used_at: Integer | null;
  csr_hash: string | null;
  fingerprint: Fingerprint | null;
}

type JoinedRow = TokenRow & { account: Slug };

export function tokenStore(db: Knex, sql: Sql): TokenStore {
  const tokens = () => db<TokenRow>("tokens");
  const joined = () =>
    db("tokens")
      .join("accounts", "accounts.id", "tokens.account_id")
      .select("tokens.*", "accounts.slug as account") as Knex.QueryBuilder<object, JoinedRow[]>;
  const byIds: TokenStore["byIds"] = (ids) =>
    inChunks(ids, async (list, chunk) => {
      const text = `SELECT tokens.*, accounts.slug AS account FROM tokens
        JOIN accounts ON accounts.id = tokens.account_id WHERE tokens.id IN (${list})`;
      return (await sql<JoinedRow>(text, chunk)).map(fromRow);
    });
  return {
    async insert(token) {
      await tokens().insert({
        id: token.id,
        hash: token.hash,
        account_id: token.accountId,
        profile: token.profile,
        scopes: token.scopes ? JSON.stringify(token.scopes) : null,
        created_at: token.createdAt,
        expires_at: token.expiresAt,
      });
    },
    byHashes: (hashes) =>
      inChunks(hashes, async (list, chunk) => {
        const text = `SELECT tokens.*, ${accountColumns} FROM tokens
          JOIN accounts ON accounts.id = tokens.account_id WHERE tokens.hash IN (${list})`;
        const rows = await sql<TokenRow & AliasedAccountRow>(text, chunk);
        return rows.map((row) => {
          const account = accountFrom(row);
          return { token: fromRow({ ...row, account: account.slug }), account };
        });
      }),
    byIds,
    byId: async (id) => (await byIds([id]))[0],
    async list(account) {
      const query = joined().orderBy("tokens.created_at", "desc");
      const rows = await (account === undefined ? query : query.where("accounts.slug", account));
      return rows.map(fromRow);
    },
    use: (uses, at) =>
      updateEach(
        sql,
        "csr_hash",
        uses.map(({ id, csrHash }) => [id, csrHash]),
        { text: ", used_at = ?", bindings: [at] },
      ),
    fulfil: (fulfilled) =>
      updateEach(
        sql,
        "fingerprint",
        fulfilled.map(({ id, fingerprint }) => [id, fingerprint]),
      ),
    async revoke(id, at) {
      await tokens().where({ id }).update({ revoked_at: at });
    },
  };
}

/** Sets a column of many tokens, each to its own value, in one statement. Whoever has read them knows that it is empty. */
async function updateEach(
  sql: Sql,
  column: "csr_hash" | "fingerprint",
  values: readonly (readonly [id: string, value: string])[],
  also: { readonly text: string; readonly bindings: readonly number[] } = { text: "", bindings: [] },
): Promise<void> {
  if (values.length === 0) return;
  const updated = await sql(
    `UPDATE tokens SET ${column} = given.column2${also.text}
      FROM (VALUES ${repeat("(?,?)", values.length)}) AS given
      WHERE tokens.id = given.column1 AND tokens.${column} IS NULL RETURNING tokens.id`,
    [...also.bindings, ...values.flat()],
  );
  if (updated.length !== values.length) throw new Error(`a token had its ${column} already`);
}

function fromRow(row: JoinedRow): TokenRecord {
  return {
    id: row.id,
    hash: row.hash,
    accountId: row.account_id,
    account: row.account,
    profile: row.profile,
    scopes: optionalList(row.scopes, parseScope),
    createdAt: number(row.created_at),
    expiresAt: number(row.expires_at),
    revokedAt: optionalNumber(row.revoked_at),
    usedAt: optionalNumber(row.used_at),
    csrHash: optional(row.csr_hash),
    fingerprint: optional(row.fingerprint),
  };
}
