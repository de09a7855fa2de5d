import type { Knex } from "knex";
import type { ChangeStore } from "../domain/ports.ts";
import type { Change, ChangeAction } from "../domain/records.ts";
import { type Integer, number } from "./rows.ts";

interface ChangeRow {
  sequence: Integer;
  time: Integer;
  actor: string;
  action: ChangeAction;
  subject: string;
  detail: string;
}

export function changeStore(db: Knex): ChangeStore {
  const changes = () => db<ChangeRow>("changes");
  const last = async (): Promise<number> => {
    const row = await db<{ last: Integer }>("sequence").first("last");
    return number(row?.last ?? 0);
  };
  return {
    last,
    async append(change) {
      await db("sequence").increment("last", 1);
      const sequence = await last();
      await changes().insert({ ...change, sequence, detail: JSON.stringify(change.detail) });
      return sequence;
    },
    async after(sequence, limit) {
      const rows: ChangeRow[] = await changes()
        .where("sequence", ">", sequence)
        .orderBy("sequence")
        .limit(limit);
      return rows.map(fromRow);
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
