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

/** What Knex has put together, as a statement that stays prepared: Knex would prepare and close it each time, in other threads. */
export function built<Row>(sql: Sql, query: Pick<Knex.QueryBuilder, "toSQL">): Promise<Row[]> {
  const { sql: text, bindings } = query.toSQL();
  return sql<Row>(text, bindings as readonly Value[]);
}

/** Rows in one statement: below what either database takes of bound values (32,766 and 65,535), and more than any group. */
const LARGEST_INSERT = 1000;

/**
 * Inserts many rows in few statements: Knex's builder makes a UNION of SELECTs for SQLite. More than one statement needs
 * a transaction around it.
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
  const names = Object.keys(columns) as Column[];
  const tuple = `(${names.map((name) => columns[name]).join()})`;
  for (let start = 0; start < rows.length; start += LARGEST_INSERT) {
    const chunk = rows.slice(start, start + LARGEST_INSERT);
    await sql(
      `INSERT INTO ${table} (${names.join()}) VALUES ${repeat(tuple, chunk.length)} ${conflict}`,
      chunk.flatMap((row) => names.map((name) => row[name])),
    );
  }
}

const CHUNK = 256;

/**
 * Reads rows for many values, of which nobody knows how many there will be: in chunks, for a statement takes only so many,
 * and in few sizes, for every text stays prepared. What fills a chunk up is its last value again.
 *
 * @param read gets the list's `?,?,…`, and its bindings
 */
export async function inChunks<Item extends Value, Row>(
  values: readonly Item[],
  read: (list: string, chunk: readonly Item[]) => Promise<Row[]>,
): Promise<Row[]> {
  const unique = [...new Set(values)];
  const rows: Row[] = [];
  for (let start = 0; start < unique.length; start += CHUNK) {
    const chunk = unique.slice(start, start + CHUNK);
    const size = 2 ** Math.ceil(Math.log2(chunk.length));
    const filling = Array<Item>(size - chunk.length).fill(chunk.at(-1) as Item);
    rows.push(...(await read(repeat("?", size), [...chunk, ...filling])));
  }
  return rows;
}

/** `item,item,…` */
export function repeat(item: string, count: number): string {
  return Array<string>(count).fill(item).join();
}
