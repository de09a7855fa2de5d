import type { Knex } from "knex";
import type { Fingerprint } from "../domain/identifiers.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { TokenStore } from "../domain/ports.ts";
import type { TokenRecord } from "../domain/records.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";

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

export function tokenStore(db: Knex): TokenStore {
  const tokens = () => db<TokenRow>("tokens");
  const joined = () =>
    db("tokens")
      .join("accounts", "accounts.id", "tokens.account_id")
      .select("tokens.*", "accounts.slug as account") as Knex.QueryBuilder<object, JoinedRow[]>;
  const first = async (where: Partial<Record<string, string>>): Promise<TokenRecord | undefined> => {
    const [row] = await joined().where(where).limit(1);
    return row ? fromRow(row) : undefined;
  };
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
    byHash: (hash) => first({ "tokens.hash": hash }),
    byId: (id) => first({ "tokens.id": id }),
    async list(account) {
      const query = joined().orderBy("tokens.created_at", "desc");
      const rows = await (account === undefined ? query : query.where("accounts.slug", account));
      return rows.map(fromRow);
    },
    async use(id, csrHash, at) {
      const updated = await tokens().where({ id, csr_hash: null }).update({ csr_hash: csrHash, used_at: at });
      return updated === 1;
    },
    async fulfil(id, fingerprint) {
      return (await tokens().where({ id, fingerprint: null }).update({ fingerprint })) === 1;
    },
    async revoke(id, at) {
      await tokens().where({ id }).update({ revoked_at: at });
    },
  };
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
