import type { Fingerprint } from "../domain/identifiers.ts";
import type { RenewalRecord, RenewalStore } from "../domain/renewal.ts";
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

/** Those of a line whose renewal nothing has come of yet. */
const UNDER_WAY = "SELECT predecessor FROM renewals WHERE line = ? AND ends_at IS NULL";

const columns = { predecessor: "?", csr_hash: "?", line: "?" };

export function renewalStore(sql: Sql): RenewalStore {
  const by =
    (column: "predecessor" | "successor") =>
    (fingerprints: readonly Fingerprint[]): Promise<RenewalRecord[]> =>
      inChunks(fingerprints, async (list, chunk) => {
        const text = `SELECT * FROM renewals WHERE ${column} IN (${list})`;
        return (await sql<RenewalRow>(text, chunk)).map(fromRow);
      });
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
    async activeOfLine(line, now) {
      const text = `SELECT fingerprint FROM certificates
        WHERE fingerprint IN (SELECT successor FROM renewals WHERE line = ? AND ends_at > ?
          UNION ${UNDER_WAY} UNION SELECT CAST(? AS TEXT))
          AND status = 'active' AND (not_after > ? OR fingerprint IN (${UNDER_WAY}))
        ORDER BY issued_at, fingerprint`;
      const rows = await sql<{ fingerprint: Fingerprint }>(text, [line, now, line, line, now, line]);
      return rows.map(({ fingerprint }) => fingerprint);
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
