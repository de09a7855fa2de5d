import type { ChangeStore } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { Sql } from "./sql.ts";

interface Seen {
  readonly version: number;
  readonly sequence: number;
  readonly limit: number;
  readonly changes: Change[];
}

/**
 * Reads changes for whoever follows them: it asks 25 times a second, and nearly always gets the last one again. SQLite tells
 * in a fraction of the time whether another connection has committed anything since this one asked.
 *
 * @param sql on one connection, always the same, on which nothing is written
 * @param read the changes after a sequence number, on that connection
 */
export function changesUnlessSame(sql: Sql, read: ChangeStore["after"]): ChangeStore["after"] {
  let seen: Seen | undefined;
  return async (sequence, limit) => {
    // First: what is committed while the changes are read makes it another version the next time.
    const [row] = await sql<{ data_version: number }>("PRAGMA data_version", []);
    const version = row?.data_version ?? Number.NaN;
    const isSame = seen?.version === version && seen.sequence === sequence && seen.limit === limit;
    if (seen && isSame) return seen.changes;
    const changes = await read(sequence, limit);
    // More than one are new to whoever asks, and are not asked for again.
    seen = changes.length <= 1 ? { version, sequence, limit, changes } : undefined;
    return changes;
  };
}
