import type { ChangeStore } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { Sql } from "./sql.ts";

const VERSION = "SELECT data_version || ' ' || total_changes() AS version FROM pragma_data_version";

interface Seen {
  /** Of what others have committed, and how many rows were written here. */
  readonly version: string;
  readonly sequence: number;
  readonly limit: number;
  readonly changes: Change[];
}

/**
 * Reads changes for whoever follows them: it asks 25 times a second, and nearly always gets the last one again. SQLite tells
 * in a fraction of the time whether another connection has committed anything since this one asked.
 *
 * @param sql on one connection, always the same
 * @param read the changes after a sequence number, on that connection
 */
export function changesUnlessSame(sql: Sql, read: ChangeStore["after"]): ChangeStore["after"] {
  let seen: Seen | undefined;
  return async (sequence, limit) => {
    // First: what is committed while the changes are read makes it another version the next time.
    const [row] = await sql<{ version: string }>(VERSION, []);
    const version = row?.version ?? "";
    const isSame = seen?.version === version && seen.sequence === sequence && seen.limit === limit;
    if (seen && isSame) return seen.changes;
    const changes = await read(sequence, limit);
    // More than one are new to whoever asks, and are not asked for again.
    seen = changes.length <= 1 ? { version, sequence, limit, changes } : undefined;
    return changes;
  };
}
