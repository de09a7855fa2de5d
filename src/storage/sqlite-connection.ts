import type { Knex } from "knex";
import type { Sql, Value } from "./sql.ts";

/** What of sqlite3's connection is used here. */
export interface SqliteConnection {
  exec(sql: string, callback: (error: Error | null) => void): void;
  all(sql: string, bindings: readonly Value[], callback: Callback): void;
  prepare(sql: string, callback: (error: Error | null) => void): SqliteStatement;
  close(callback: (error: Error | null) => void): void;
}

interface SqliteStatement {
  all(bindings: readonly Value[], callback: Callback): void;
  reset(callback: () => void): void;
  finalize(): void;
}

type Callback = (error: Error | null, rows: unknown[]) => void;

/** As many texts as a group of each usual size has; what comes after them is prepared each time. */
const MOST_PREPARED = 500;

/**
 * Statements straight on a connection, each prepared once. By way of Knex, which prepares them each time, they take
 * three times as long, and issuing consists of them.
 */
export function preparedSql(connection: SqliteConnection): Sql {
  const statements = new Map<string, SqliteStatement>();
  finalizeBeforeClosing(connection, statements);
  return <Row>(text: string, bindings: readonly Value[]) =>
    new Promise<Row[]>((resolve, reject) => {
      let statement = statements.get(text);
      const done: Callback = (error, rows) => {
        const end = (): void => {
          if (error) reject(error);
          else resolve(rows as Row[]);
        };
        // One that found the database locked counts as running until it is reset, and until then nothing that is
        // written on its connection is committed.
        if (error && statement) statement.reset(end);
        else end();
      };
      if (!statement && statements.size < MOST_PREPARED) {
        statement = connection.prepare(text, (error) => {
          if (!error) return;
          statements.delete(text); // it calls nobody else back
          reject(error);
        });
        statements.set(text, statement);
      }
      if (statement) statement.all(bindings, done);
      else connection.all(text, bindings, done);
    });
}

/** SQLite closes no connection whose statements are open. */
function finalizeBeforeClosing(connection: SqliteConnection, statements: Map<string, SqliteStatement>): void {
  const close = connection.close.bind(connection);
  connection.close = (callback) => {
    for (const statement of statements.values()) statement.finalize();
    statements.clear();
    close(callback);
  };
}

/** Runs statements that take and give nothing. */
export function execute(connection: SqliteConnection, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.exec(sql, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Knex on this very connection. */
export function boundTo(db: Knex, connection: SqliteConnection): Knex {
  const onTable = (...args: Parameters<Knex>): Knex.QueryBuilder => db(...args).connection(connection);
  const raw = (...args: Parameters<Knex["raw"]>): Knex.Raw => db.raw(...args).connection(connection);
  return Object.assign(onTable, { raw }) as unknown as Knex;
}
