import sqlite3 from "sqlite3";

/**
 * Puts revoked certificates into a home's database, past all services: they differ in serial, time and reason, and share
 * an account, a key and octets of a usual length. Without changes: as if each had been revoked long ago.
 */
export async function putRevoked(file: string, count: number): Promise<void> {
  const database = new sqlite3.Database(file);
  const run = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      database.exec(text, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${String(count)}),
    one AS (SELECT * FROM certificates WHERE account_id IS NOT NULL LIMIT 1)`;
  const serial = `printf('5%011x', i) || '${"c3".repeat(12)}'`;
  await run(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN;
    INSERT INTO intents (issuer_id, serial, account_id, profile, key_id, not_before, not_after, created_at)
      ${rows} SELECT issuer_id, ${serial}, account_id, profile, key_id, not_before, not_after, issued_at FROM n, one;
    INSERT INTO certificates (fingerprint, issuer_id, serial, account_id, profile, key_id, not_before, not_after,
        issued_at, status, status_at, reason, der)
      ${rows} SELECT printf('%08x', i) || '${"0".repeat(56)}', issuer_id, ${serial}, account_id, profile, key_id, not_before,
        not_after + 86400000, issued_at, 'revoked', issued_at - i * 137,
        CASE i % 3 WHEN 0 THEN 'superseded' WHEN 1 THEN 'keyCompromise' ELSE 'cessationOfOperation' END,
        zeroblob(600) FROM n, one;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE);`);
  await new Promise<void>((resolve, reject) => {
    database.close((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
