import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Puts `count` further active credentials on record in a home that nobody has open, past all services: they share with
 * one that is there an account, a key and octets of a usual length. Fingerprints are as random as SHA-256 is.
 *
 * @param after how many were put there before
 */
export function putCredentials(home: string, count: number, after = 0): void {
  if (count === 0) return;
  const rows = `WITH RECURSIVE n(i) AS (SELECT ${String(after + 1)} UNION ALL SELECT i + 1 FROM n WHERE i < ${String(after + count)}),
    one AS (SELECT * FROM certificates WHERE account_id IS NOT NULL ORDER BY issued_at LIMIT 1)`;
  const serial = "'5' || printf('%011x', i) || 'c3c3c3c3c3c3c3c3c3c3c3c3'";
  change(home, [
    `INSERT INTO intents (issuer_id, serial, account_id, profile, key_id, not_before, not_after, created_at)
      ${rows} SELECT issuer_id, ${serial}, account_id, profile, key_id, not_before, not_after, issued_at FROM n, one`,
    `INSERT INTO certificates (fingerprint, issuer_id, serial, account_id, profile, key_id, not_before, not_after,
        issued_at, status, der)
      ${rows} SELECT lower(hex(randomblob(32))), issuer_id, ${serial}, account_id, profile, key_id, not_before,
        not_after + 86400000, issued_at, 'active', zeroblob(600) FROM n, one`,
  ]);
}

/** Lets the first `count` of those be revoked, as if long ago, and no other of them. */
export function setRevoked(home: string, count: number): void {
  const filled = "serial LIKE '5%c3c3c3c3c3c3c3c3c3c3c3c3'";
  const isFirst = `serial <= '5' || printf('%011x', ${String(count)}) || 'c3c3c3c3c3c3c3c3c3c3c3c3'`;
  change(home, [
    `UPDATE certificates SET status = 'revoked', status_at = issued_at, reason = 'superseded'
      WHERE ${filled} AND ${isFirst} AND status = 'active'`,
    `UPDATE certificates SET status = 'active', status_at = NULL, reason = NULL
      WHERE ${filled} AND NOT ${isFirst} AND status = 'revoked'`,
  ]);
}

function change(home: string, statements: readonly string[]): void {
  const database = new DatabaseSync(join(home, "countersign.sqlite"));
  try {
    const text = [...statements.map((each) => `${each};`)].join("\n");
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;
        BEGIN; ${text} COMMIT; PRAGMA wal_checkpoint(TRUNCATE);`,
    );
  } finally {
    database.close();
  }
}
