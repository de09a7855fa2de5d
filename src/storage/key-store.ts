import type { Knex } from "knex";
import type { SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import type { KeyStore } from "../domain/ports.ts";
import type { KeyRecord } from "../domain/records.ts";
import { type Integer, number, optional, optionalNumber } from "./rows.ts";
import { type Sql, built, inChunks, insertRows } from "./sql.ts";

interface KeyRow {
  id: number;
  spki_hash: SpkiHash;
  key_type: KeyType;
  account_id: number | null;
  seen_at: Integer;
  blocked_at: Integer | null;
  blocked_because: string | null;
}

/** As another table names a key: by its number, so that the index on it grows at its end. None has 0, which fails. */
export const KEY_ID = "COALESCE((SELECT id FROM keys WHERE spki_hash = ?), 0)";

export function keyStore(db: Knex, sql: Sql): KeyStore {
  return {
    byHashes: (hashes) =>
      inChunks(hashes, async (list, chunk) => {
        return (await sql<KeyRow>(`SELECT * FROM keys WHERE spki_hash IN (${list})`, chunk)).map(fromRow);
      }),
    async bind(keys) {
      const columns = { spki_hash: "?", key_type: "?", account_id: "?", seen_at: "?" };
      const rows = keys.map(({ spkiHash, keyType, accountId, seenAt }) => ({
        ...{ spki_hash: spkiHash, key_type: keyType, account_id: accountId ?? null, seen_at: seenAt },
      }));
      await insertRows(sql, "keys", columns, rows, "ON CONFLICT (spki_hash) DO NOTHING");
    },
    async block({ spkiHash, keyType }, at, because) {
      const put = db<KeyRow>("keys")
        .insert({
          spki_hash: spkiHash,
          key_type: keyType,
          account_id: null,
          seen_at: at,
          blocked_at: at,
          blocked_because: because,
        })
        .onConflict("spki_hash")
        .merge(["blocked_at", "blocked_because"])
        .whereNull("keys.blocked_at");
      await built(sql, put);
    },
    async blocked() {
      const rows: KeyRow[] = await db<KeyRow>("keys").whereNotNull("blocked_at").orderBy("blocked_at");
      return rows.map(fromRow);
    },
  };
}

function fromRow(row: KeyRow): KeyRecord {
  return {
    spkiHash: row.spki_hash,
    keyType: row.key_type,
    accountId: optional(row.account_id),
    seenAt: number(row.seen_at),
    blockedAt: optionalNumber(row.blocked_at),
    blockedBecause: optional(row.blocked_because),
  };
}
