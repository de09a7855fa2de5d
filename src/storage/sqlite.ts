import { closeSync, existsSync, openSync, statSync } from "node:fs";
import knex, { type Knex } from "knex";
import { Refusal } from "../domain/errors.ts";
import type { ChangeStore } from "../domain/ports.ts";
import { changeStore } from "./change-store.ts";
import { type Engine, ignore, silent, storesOn } from "./engine.ts";
import { followerStore } from "./follower-store.ts";
import { livePages } from "./live-pages.ts";
import { type Sql, knexSql } from "./sql.ts";
import { changesUnlessSame } from "./sqlite-changes.ts";
import { type SqliteConnection, boundTo, execute, preparedSql } from "./sqlite-connection.ts";
import { ISSUANCE_SCHEMA, issueOnSqlite } from "./sqlite-issuance.ts";
import { useStore } from "./use-store.ts";

/** Two connections: what is read outside a transaction need not wait for one that is being written to the disk. */
export function sqliteEngine(file: string): Engine {
  // SQLite gives its journals the same mode. One that is there is left alone: closing any descriptor of it would give up the
  // locks that this process has on it (POSIX, fcntl).
  if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  const [reader, writer] = [open(file), open(file)];
  const prepared = new WeakMap<SqliteConnection, Sql>();
  const sqlOn = (connection: SqliteConnection): Sql => {
    const sql = prepared.get(connection) ?? preparedSql(connection);
    prepared.set(connection, sql);
    return sql;
  };
  const hasSchema = new WeakSet<SqliteConnection>();
  const readerSql: Sql = (text, bindings) => using(reader, (own) => sqlOn(own)(text, bindings));
  const stores = storesOn(reader, readerSql);
  const followed = new WeakMap<SqliteConnection, ChangeStore["after"]>();
  const changesOn = (connection: SqliteConnection): ChangeStore["after"] => {
    const sql = sqlOn(connection);
    const after =
      followed.get(connection) ??
      changesUnlessSame(sql, (...args) => changeStore(reader, sql).after(...args));
    followed.set(connection, after);
    return after;
  };
  const opened = identityOf(file);
  return {
    knex: writer,
    stores: {
      ...stores,
      certificates: { ...stores.certificates, live: livePages(readerSql, "rowid") },
      // What follows the changes would go on for ever with a file that is deleted.
      changes: {
        ...stores.changes,
        after: async (...args) => {
          if (identityOf(file) === opened) return using(reader, (own) => changesOn(own)(...args));
          throw new Refusal("STATE_WENT_BACK", "The database's file was replaced: start the server anew.");
        },
      },
      followers: followerStore(writer), // which writes on its own
      uses: useStore(knexSql(writer)), // so does this; not prepared, for each number of rows is another text
    },
    transaction: (work) =>
      using(writer, async (own) => {
        const sql = sqlOn(own);
        // Takes the write lock before anything is read: no stale reads, and no lock that can't be upgraded.
        await sql("BEGIN IMMEDIATE", []);
        try {
          const result = await work(storesOn(boundTo(writer, own), sql));
          await sql("COMMIT", []);
          return result;
        } catch (error) {
          // After some errors, such as a full disk, SQLite has rolled back by itself.
          await sql("ROLLBACK", []).catch(ignore);
          throw error;
        }
      }),
    issue: (question, decide) =>
      using(writer, async (own) => {
        if (!hasSchema.has(own)) await execute(own, ISSUANCE_SCHEMA);
        hasSchema.add(own);
        return issueOnSqlite(sqlOn(own), question, decide);
      }),
    async close() {
      // The last one to close moves what was written ahead into the file; both at once would leave it to each other.
      await reader.destroy();
      await writer.destroy();
    },
  };
}

function identityOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${String(found.dev)}:${String(found.ino)}` : "gone";
}

interface SqliteClient {
  acquireConnection(): Promise<SqliteConnection>;
  releaseConnection(connection: SqliteConnection): Promise<void>;
}

/** Lends the connection, to one at a time. */
async function using<Result>(
  db: Knex,
  work: (connection: SqliteConnection) => Promise<Result>,
): Promise<Result> {
  const client = db.client as SqliteClient;
  const connection = await client.acquireConnection();
  try {
    return await work(connection);
  } finally {
    await client.releaseConnection(connection);
  }
}

/** FULL: what was acknowledged survives a power cut. Other processes' write locks are waited for. */
const PRAGMAS =
  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;";

function open(file: string): Knex {
  return knex({
    client: "sqlite3",
    connection: { filename: file },
    useNullAsDefault: true,
    log: silent,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (
        connection: SqliteConnection,
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        connection.exec(PRAGMAS, (error) => {
          done(error, connection);
        });
      },
    },
  });
}
