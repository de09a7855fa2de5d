import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What a server writes by itself: where it stands, and CRLs. */
const own = ["followers", "closings", "crls", "sequence", "sqlite_sequence"];

/** Every row of a home's SQLite database that commands and requests can change; blobs in hex. */
export function snapshot(home: string): Record<string, Record<string, unknown>[]> {
  const database = new DatabaseSync(join(home, "countersign.sqlite"), { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const names = tables.map(({ name }) => String(name)).filter((name) => !own.includes(name));
    return Object.fromEntries(names.map((name) => [name, rows(database, name)]));
  } finally {
    database.close();
  }
}

function rows(database: DatabaseSync, table: string): Record<string, unknown>[] {
  const all = database.prepare(`SELECT * FROM ${table}`).all();
  return all
    .filter((row) => row["action"] !== "crl.publish")
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, readable(value)])));
}

function readable(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
