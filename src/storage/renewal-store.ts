import type { Fingerprint } from "../domain/identifiers.ts";
import { LONGEST_AFTER_EXPIRY, type RenewalRecord, type RenewalStore } from "../domain/renewal.ts";
import type { Instant } from "../domain/time.ts";
import { type Integer, optional, optionalNumber } from "./rows.ts";
import { type Sql, inChunks, insertRows } from "./sql.ts";

interface RenewalRow {
  predecessor: Fingerprint;
  csr_hash: string;
  line: Fingerprint;
  successor: Fingerprint | null;
  renewed_at: Integer | null;
  retire_at: Integer | null;
  retired_at: Integer | null;
}

/** Takes now, and what has to have ended after to be renewed still. */
const LIVES = `(not_after > ? OR not_after > ? AND NOT EXISTS
  (SELECT 1 FROM renewals WHERE predecessor = fingerprint AND successor IS NOT NULL))`;

const columns = { predecessor: "?", csr_hash: "?", line: "?" };

export function renewalStore(sql: Sql): RenewalStore {
  const by =
    (column: "predecessor" | "successor") =>
    (fingerprints: readonly Fingerprint[]): Promise<RenewalRecord[]> =>
      inChunks(fingerprints, async (list, chunk) => {
        const text = `SELECT * FROM renewals WHERE ${column} IN (${list})`;
        return (await sql<RenewalRow>(text, chunk)).map(fromRow);
      });
  const ofLine =
    (status: "active" | "suspended") =>
    async (line: Fingerprint, now: Instant): Promise<Fingerprint[]> => {
      const since = now - LONGEST_AFTER_EXPIRY;
      const text = `SELECT fingerprint FROM certificates
        WHERE fingerprint IN (SELECT successor FROM renewals WHERE line = ? AND ends_at > ?
          UNION SELECT CAST(? AS TEXT)) AND status = '${status}' AND ${LIVES}
        ORDER BY issued_at, fingerprint`;
      const rows = await sql<{ fingerprint: Fingerprint }>(text, [line, since, line, now, since]);
      return rows.map(({ fingerprint }) => fingerprint);
    };
  return {
    byPredecessors: by("predecessor"),
    bySuccessors: by("successor"),
    bind: (renewals) =>
      insertRows(
        sql,
        "renewals",
        columns,
        renewals.map(({ predecessor, csrHash, line }) => ({ predecessor, csr_hash: csrHash, line })),
      ),
    async fulfil(renewed) {
      for (const { predecessor, successor, renewedAt, retireAt, endsAt } of renewed) {
        const updated = await sql(
          `UPDATE renewals SET successor = ?, renewed_at = ?, retire_at = ?, ends_at = ?
            WHERE predecessor = ? AND successor IS NULL RETURNING predecessor`,
          [successor, renewedAt, retireAt, endsAt, predecessor],
        );
        if (updated.length !== 1) throw new Error("a credential was renewed already, or never bound");
      }
    },
    async successorsInLine(line) {
      const text = "SELECT successor FROM renewals WHERE line = ? AND successor IS NOT NULL";
      return (await sql<{ successor: Fingerprint }>(text, [line])).map(({ successor }) => successor);
    },
    activeOfLine: ofLine("active"),
    suspendedOfLine: ofLine("suspended"),
    async activeSuccessors(predecessors, now) {
      const found = await inChunks(predecessors, (list, chunk) => {
        const text = `WITH RECURSIVE descent (successor) AS (
            SELECT successor FROM renewals WHERE predecessor IN (${list}) AND successor IS NOT NULL
            UNION SELECT renewals.successor FROM descent JOIN renewals ON predecessor = descent.successor
              WHERE renewals.successor IS NOT NULL)
          SELECT fingerprint FROM certificates WHERE fingerprint IN (SELECT successor FROM descent)
            AND status = 'active' AND ${LIVES} ORDER BY issued_at, fingerprint`;
        return sql<{ fingerprint: Fingerprint }>(text, [...chunk, now, now - LONGEST_AFTER_EXPIRY]);
      });
      const given = new Set(predecessors);
      const fingerprints = new Set(found.map(({ fingerprint }) => fingerprint));
      return [...fingerprints].filter((fingerprint) => !given.has(fingerprint));
    },
    async due(now, limit) {
      const text = `SELECT renewals.* FROM renewals
        JOIN certificates ON certificates.fingerprint = renewals.predecessor
        WHERE retired_at IS NULL AND retire_at <= ? AND (status <> 'suspended' OR not_after <= ?)
        ORDER BY retire_at, predecessor LIMIT ?`;
      return (await sql<RenewalRow>(text, [now, now, limit])).map(fromRow);
    },
    async nextDue(now) {
      const text = "SELECT MIN(retire_at) AS next FROM renewals WHERE retired_at IS NULL AND retire_at > ?";
      const [row] = await sql<{ next: Integer | null }>(text, [now]);
      return optionalNumber(row?.next ?? null);
    },
    async retire(predecessors, at) {
      await inChunks(predecessors, (list, chunk) =>
        sql(`UPDATE renewals SET retired_at = ? WHERE predecessor IN (${list}) RETURNING predecessor`, [
          at,
          ...chunk,
        ]),
      );
    },
  };
}

function fromRow(row: RenewalRow): RenewalRecord {
  return {
    predecessor: row.predecessor,
    csrHash: row.csr_hash,
    line: row.line,
    successor: optional(row.successor),
    renewedAt: optionalNumber(row.renewed_at),
    retireAt: optionalNumber(row.retire_at),
    retiredAt: optionalNumber(row.retired_at),
  };
}
