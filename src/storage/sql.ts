import type { Knex } from "knex";

export type Value = string | number | Buffer | null;

/** Runs one statement with `?` for its bindings; returns its rows. */
export type Sql = <Row>(text: string, bindings: readonly Value[]) => Promise<Row[]>;

/** By Knex, which knows each driver's ways. */
export function knexSql(db: Knex): Sql {
  return async <Row>(text: string, bindings: readonly Value[]): Promise<Row[]> => {
    const result: unknown = await db.raw(text, [...bindings]);
    return Array.isArray(result) ? (result as Row[]) : (result as { rows: Row[] }).rows;
  };
}

/**
 * Inserts many rows in one statement, which Knex's builder makes a UNION of SELECTs for SQLite.
 *
 * @param columns each with what is put there, when that isn't the value itself
 */
export async function insertRows<Column extends string>(
  sql: Sql,
  table: string,
  columns: Readonly<Record<Column, string>>,
  rows: readonly Readonly<Record<Column, Value>>[],
  conflict = "",
): Promise<void> {
  if (rows.length === 0) return;
  const names = Object.keys(columns) as Column[];
  const tuple = `(${names.map((name) => columns[name]).join()})`;
  await sql(
    `INSERT INTO ${table} (${names.join()}) VALUES ${repeat(tuple, rows.length)} ${conflict}`,
    rows.flatMap((row) => names.map((name) => row[name])),
  );
}

/** `item,item,…` */
export function repeat(item: string, count: number): string {
  return Array<string>(count).fill(item).join();
}
