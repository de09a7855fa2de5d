import type { Knex } from "knex";
import { parseCidr } from "../domain/address.ts";
import type { Fingerprint, SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
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
  from_ranges: string | null;
  key_types: string | null;
  spki_hash: SpkiHash | null;
  uses: number;
  uses_taken: number;
  used_from: string | null;
  parent: string | null;
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
        scopes: json(token.scopes),
        created_at: token.createdAt,
        expires_at: token.expiresAt,
        revoked_at: token.revokedAt ?? null,
        used_at: token.usedAt ?? null,
        used_from: token.usedFrom ?? null,
        csr_hash: token.csrHash ?? null,
        fingerprint: token.fingerprint ?? null,
        from_ranges: json(token.rules.from),
        key_types: json(token.rules.keyTypes),
        spki_hash: token.rules.spkiHash ?? null,
        uses: token.uses,
        uses_taken: token.usesTaken,
        parent: token.parent ?? null,
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
      const query = joined().whereNull("tokens.parent").orderBy("tokens.created_at", "desc");
      const rows = await (account === undefined ? query : query.where("accounts.slug", account));
      return rows.map(fromRow);
    },
    childrenOf: (parents) =>
      inChunks(parents, async (list, chunk) => {
        const text = `SELECT tokens.*, accounts.slug AS account FROM tokens
          JOIN accounts ON accounts.id = tokens.account_id WHERE tokens.parent IN (${list})
          ORDER BY tokens.created_at, tokens.id`;
        return (await sql<JoinedRow>(text, chunk)).map(fromRow);
      }),
    use: (uses, at) =>
      updateEach(
        sql,
        "csr_hash",
        uses.map(({ id, csrHash, address }) => [id, csrHash, address ?? null]),
        { text: ", used_at = ?, used_from = given.column3", bindings: [at] },
      ),
    async takeUse(id, at, from) {
      const text = `UPDATE tokens SET uses_taken = uses_taken + 1, used_at = ?, used_from = ?
        WHERE id = ? AND uses_taken < uses RETURNING id`;
      const taken = await sql(text, [at, from ?? null, id]);
      if (taken.length === 0) throw new Error("a token has no use left");
    },
    fulfil: (fulfilled) =>
      updateEach(
        sql,
        "fingerprint",
        fulfilled.map(({ id, fingerprint }) => [id, fingerprint]),
      ),
    async revoke(id, at) {
      await tokens().where({ id }).update({ revoked_at: at });
    },
    async revokeChildren(parent, at) {
      const whose = parent === undefined ? "parent IS NOT NULL" : "parent = ?";
      const text = `UPDATE tokens SET revoked_at = ?
        WHERE ${whose} AND fingerprint IS NULL AND revoked_at IS NULL RETURNING id`;
      const rows = await sql<{ id: string }>(text, parent === undefined ? [at] : [at, parent]);
      return rows.map(({ id }) => id);
    },
  };
}

function json(list: readonly string[] | undefined): string | null {
  return list ? JSON.stringify(list) : null;
}

/** Sets a column of many tokens, each to its own value, in one statement. Whoever has read them knows that it is empty. */
async function updateEach(
  sql: Sql,
  column: "csr_hash" | "fingerprint",
  values: readonly (readonly [id: string, value: string, ...rest: (string | null)[]])[],
  also: { readonly text: string; readonly bindings: readonly number[] } = { text: "", bindings: [] },
): Promise<void> {
  if (values.length === 0) return;
  const updated = await sql(
    `UPDATE tokens SET ${column} = given.column2${also.text}
      FROM (VALUES ${repeat(`(${repeat("?", values[0]?.length ?? 0)})`, values.length)}) AS given
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
    rules: {
      from: optionalList(row.from_ranges, parseCidr),
      keyTypes: optionalList(row.key_types, (type) => type as KeyType),
      spkiHash: optional(row.spki_hash),
    },
    uses: row.uses,
    usesTaken: row.uses_taken,
    usedFrom: optional(row.used_from),
    parent: optional(row.parent),
    createdAt: number(row.created_at),
    expiresAt: number(row.expires_at),
    revokedAt: optionalNumber(row.revoked_at),
    usedAt: optionalNumber(row.used_at),
    csrHash: optional(row.csr_hash),
    fingerprint: optional(row.fingerprint),
  };
}
