import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import knex, { type Knex } from "knex";
import { Refusal } from "../domain/errors.ts";
import { SECOND } from "../domain/time.ts";
import type { Database, Stores } from "../domain/ports.ts";
import { accountStore } from "./account-store.ts";
import { certificateStore } from "./certificate-store.ts";
import { changeStore } from "./change-store.ts";
import { crlStore } from "./crl-store.ts";
import { followerStore } from "./follower-store.ts";
import { issuerStore } from "./issuer-store.ts";
import { migrationSource } from "./migrations/index.ts";
import { tokenStore } from "./token-store.ts";
import { guarded, refuseWhenUnavailable } from "./unavailable.ts";

/** Where the state is: a PostgreSQL URL, or an SQLite file. */
export type DatabaseLocation =
  | {
      readonly url: string;
      /** How long a query may take, in milliseconds; 10 s when it isn't given. */
      readonly timeout?: number;
    }
  | { readonly file: string };

/**
 * Opens the database and brings its tables up to date.
 *
 * @throws Refusal UNAVAILABLE when it cannot be reached.
 */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  const db = await connect(location);
  return {
    ...guardedStoresOn(db),
    transaction: (work) =>
      refuseWhenUnavailable(() =>
        db.transaction(async (trx) => {
          // Takes the write lock before anything is read: no stale reads and no lock upgrades on SQLite; on
          // PostgreSQL the row lock makes the order of changes the order of commits: a follower misses none.
          await trx("sequence").update({ last: trx.ref("last") });
          return work(storesOn(trx));
        }),
      ),
    close: () => db.destroy(),
  };
}

async function connect(location: DatabaseLocation): Promise<Knex> {
  let db: Knex | undefined;
  try {
    db = knex({
      ...("url" in location ? postgres(location.url, location.timeout) : sqlite(location.file)),
      log: silent,
    });
    await migrate(db);
    return db;
  } catch (error) {
    await db?.destroy();
    throw new Refusal("UNAVAILABLE", "The database cannot be opened.", String(error));
  }
}

/** Of several processes that find a new database at once, one lays it out; the others wait and see. */
async function migrate(db: Knex, attempts = 20): Promise<void> {
  try {
    await db.migrate.latest({ migrationSource });
  } catch (error) {
    const isRaced = error instanceof Error && /already exists|lock|duplicate key|UNIQUE/i.test(error.message);
    if (!isRaced || attempts <= 1) throw error;
    await sleep(100);
    await migrate(db, attempts - 1);
  }
}

/** Knex would write to standard output, which is for results; whatever matters is thrown as well. */
const silent = { warn: ignore, error: ignore, deprecate: ignore, debug: ignore };
function ignore(): void {
  // Nothing to be said.
}

/** Outside a transaction, each call by itself says when the database can't be asked. */
function guardedStoresOn(db: Knex): Stores {
  const entries = Object.entries(storesOn(db)) as [keyof Stores, object][];
  return Object.fromEntries(entries.map(([name, store]) => [name, guarded(store)])) as unknown as Stores;
}

function storesOn(db: Knex): Stores {
  return {
    accounts: accountStore(db),
    tokens: tokenStore(db),
    certificates: certificateStore(db),
    issuers: issuerStore(db),
    crls: crlStore(db),
    changes: changeStore(db),
    followers: followerStore(db),
  };
}

function sqlite(file: string): Knex.Config {
  closeSync(openSync(file, "a", 0o600)); // SQLite gives its journals the same mode
  return {
    client: "sqlite3",
    connection: { filename: file },
    useNullAsDefault: true,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (
        connection: SqliteConnection,
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        // FULL: what was acknowledged survives a power cut. Other processes' write locks are waited for.
        const pragmas =
          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;";
        connection.exec(pragmas, (error) => {
          done(error, connection);
        });
      },
    },
  };
}

interface SqliteConnection {
  exec(sql: string, callback: (error: Error | null) => void): void;
}

/** Without limits, a query whose packets are dropped would be waited for for ever. */
function postgres(url: string, timeout = 10 * SECOND): Knex.Config {
  return {
    client: "pg",
    connection: {
      connectionString: url,
      keepAlive: true,
      connectionTimeoutMillis: timeout,
      query_timeout: timeout,
      statement_timeout: timeout,
    },
    acquireConnectionTimeout: timeout,
    pool: {
      min: 0,
      max: 10,
      afterCreate: (
        connection: PostgresConnection,
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        dropWhenSilent(connection);
        done(null, connection);
      },
    },
  };
}

interface PostgresConnection {
  query(config: unknown, callback: (error: Error | null, result: unknown) => void): unknown;
  readonly connection: { readonly stream: { destroy(error: Error): void } };
}

/** After a time-out the driver keeps a connection on which nothing will come: the pool must not use it again. */
function dropWhenSilent(connection: PostgresConnection): void {
  const query = connection.query.bind(connection);
  connection.query = (config, callback) =>
    query(config, (error, result) => {
      if (error?.message === "Query read timeout") connection.connection.stream.destroy(error);
      callback(error, result);
    });
}
