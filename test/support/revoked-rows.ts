import sqlite3 from "sqlite3";
import type { IssuerId } from "../../src/domain/identifiers.ts";
import type { DatabaseKind } from "./databases.ts";

/** What the databases write in different ways. */
const dialects: Readonly<Record<DatabaseKind, { hex: (digits: number) => string; octets: string }>> = {
  SQLite: { hex: (digits) => `printf('%0${String(digits)}x', i)`, octets: "zeroblob(600)" },
  PostgreSQL: {
    hex: (digits) => `lpad(to_hex(i), ${String(digits)}, '0')`,
    octets: "decode(repeat('00', 600), 'hex')",
  },
};

/** What is put on record: `count` certificates, whose numbers begin after `after`. */
export interface RevokedRows {
  readonly count: number;
  readonly after?: number;
  /** Another than that of the first certificate of an account. */
  readonly issuer?: IssuerId;
}

/**
 * Statements that put revoked certificates on record, past all services: they differ in serial, time and reason, and share
 * with one that is there an account, a key and octets of a usual length. Without changes: as if each had been revoked long
 * ago.
 */
export function revokedRows(kind: DatabaseKind, { count, after = 0, issuer }: RevokedRows): string[] {
  const { hex, octets } = dialects[kind];
  const of = issuer === undefined ? "" : ` AND issuer_id = '${issuer}'`;
  const rows = `WITH RECURSIVE n(i) AS (SELECT ${String(after + 1)} UNION ALL SELECT i + 1 FROM n WHERE i < ${String(after + count)}),
    one AS (SELECT * FROM certificates WHERE account_id IS NOT NULL${of} LIMIT 1)`;
  const serial = `'5' || ${hex(11)} || '${"c3".repeat(12)}'`;
  return [
    `INSERT INTO intents (issuer_id, serial, account_id, profile, key_id, not_before, not_after, created_at)
      ${rows} SELECT issuer_id, ${serial}, account_id, profile, key_id, not_before, not_after, issued_at FROM n, one`,
    `INSERT INTO certificates (fingerprint, issuer_id, serial, account_id, profile, key_id, not_before, not_after,
        issued_at, status, status_at, reason, der)
      ${rows} SELECT ${hex(8)} || '${"0".repeat(56)}', issuer_id, ${serial}, account_id, profile, key_id, not_before,
        not_after + 86400000, issued_at, 'revoked', issued_at - i * 137,
        CASE i % 3 WHEN 0 THEN 'superseded' WHEN 1 THEN 'keyCompromise' ELSE 'cessationOfOperation' END,
        ${octets} FROM n, one`,
  ];
}

/** The same in a home's SQLite file that nobody has open. */
export async function putRevoked(file: string, rows: RevokedRows): Promise<void> {
  const database = new sqlite3.Database(file);
  const statements = revokedRows("SQLite", rows).join(";\n");
  await new Promise<void>((resolve, reject) => {
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN; ${statements};
        COMMIT; PRAGMA wal_checkpoint(TRUNCATE);`,
      (error) => {
        if (error) reject(error);
        else resolve();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    database.close((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
