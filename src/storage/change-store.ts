import type { Knex } from "knex";
import type { ChangeStore } from "../domain/ports.ts";
import type { Change, ChangeAction } from "../domain/records.ts";
import { statusChanges } from "../domain/revocation.ts";
import { type Integer, number } from "./rows.ts";
import { type Sql, insertRows } from "./sql.ts";

interface ChangeRow {
  sequence: Integer;
  time: Integer;
  actor: string;
  action: ChangeAction;
  subject: string;
  detail: string;
}

/** In the words of migration 0004's index, or it would not be used. */
export const OF_STATUS = `action IN (${statusChanges.map((action) => `'${action}'`).join()})`;

export function changeStore(db: Knex, sql: Sql): ChangeStore {
  const changes = () => db<ChangeRow>("changes");
  return {
    async last() {
      const row = await db<{ last: Integer }>("sequence").first("last");
      return number(row?.last ?? 0);
    },
    async newest() {
      const row = await changes().orderBy("sequence", "desc").first();
      return row && fromRow(row);
    },
    async lastOfStatus() {
      const [row] = await sql<{ last: Integer | null }>(
        `SELECT max(sequence) AS last FROM changes WHERE ${OF_STATUS}`,
        [],
      );
      return number(row?.last ?? 0);
    },
    async append(all) {
      const [row] = await sql<{ last: Integer }>("UPDATE sequence SET last = last + ? RETURNING last", [
        all.length,
      ]);
      const end = number(row?.last ?? 0);
      const columns = { sequence: "?", time: "?", actor: "?", action: "?", subject: "?", detail: "?" };
      const rows = all.map((change, index) => ({
        ...{ sequence: end - all.length + 1 + index, time: change.time, actor: change.actor },
        ...{ action: change.action, subject: change.subject, detail: JSON.stringify(change.detail) },
      }));
      await insertRows(sql, "changes", columns, rows);
      return end;
    },
    async after(sequence, limit) {
      const text = `SELECT sequence, time, actor, action, subject, detail FROM changes
        WHERE sequence > ? ORDER BY sequence LIMIT ?`;
      return (await sql<ChangeRow>(text, [sequence, limit])).map(fromRow);
    },
  };
}

function fromRow(row: ChangeRow): Change {
  return {
    sequence: number(row.sequence),
    time: number(row.time),
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  };
}
