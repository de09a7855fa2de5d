import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { Refusal } from "../domain/errors.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { NewChange } from "../domain/records.ts";
import type { Engine } from "./engine.ts";
import { migrationSource } from "./migrations/index.ts";
import { postgresEngine } from "./postgres.ts";
import { sqliteEngine } from "./sqlite.ts";
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
  const engine = await open(location);
  const listeners = new Set<(changes: readonly NewChange[]) => void>();
  return {
    ...guardedStores(engine.stores),
    transaction: async (work) => {
      let changes: NewChange[] = [];
      const result = await refuseWhenUnavailable(() =>
        engine.transaction((stores) => {
          changes = []; // of an attempt that was not committed, none
          return work(notingChanges(stores, changes));
        }),
      );
      for (const listener of listeners) listener(changes);
      return result;
    },
    issue: (question, decide) => refuseWhenUnavailable(() => engine.issue(question, decide)),
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: engine.close,
  };
}

async function open(location: DatabaseLocation): Promise<Engine> {
  let engine: Engine | undefined;
  try {
    engine = "url" in location ? postgresEngine(location.url, location.timeout) : sqliteEngine(location.file);
    await migrate(engine.knex);
    return engine;
  } catch (error) {
    await engine?.close();
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
    await leaveOneLock(db);
    await migrate(db, attempts - 1);
  }
}

/**
 * Of several processes that find a new database at once, two may each put Knex's lock there; and with two rows Knex never
 * gets it, nobody ever.
 */
async function leaveOneLock(db: Knex): Promise<void> {
  const locks = (): Knex.QueryBuilder => db("knex_migrations_lock");
  if (await db.schema.hasTable("knex_migrations_lock")) {
    await locks().where("index", ">", locks().min("index")).delete();
  }
}

function notingChanges(stores: Stores, noted: NewChange[]): Stores {
  const append: Stores["changes"]["append"] = (changes) => {
    noted.push(...changes);
    return stores.changes.append(changes);
  };
  return { ...stores, changes: { ...stores.changes, append } };
}

/** Outside a transaction, each call by itself says when the database can't be asked. */
function guardedStores(stores: Stores): Stores {
  const entries = Object.entries(stores) as [keyof Stores, object][];
  return Object.fromEntries(entries.map(([name, store]) => [name, guarded(store)])) as unknown as Stores;
}
