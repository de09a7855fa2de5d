import knex, { type Knex } from "knex";
import { onTestFinished } from "vitest";
import type { TestDatabase } from "./databases.ts";

/** What a backup has, but for who follows: a fail-over and a restore may leave those as they are. */
const LEFT = /^(knex_.*|followers|closings)$/;

/** Takes a backup of a database; what is returned puts it back under whoever uses it, in one transaction. */
export async function backUp(
  db: Pick<TestDatabase, "raw" | "kind" | "tables">,
): Promise<() => Promise<void>> {
  const tables = (await db.tables()).filter((table) => !LEFT.test(table));
  const rows: (readonly [table: string, rows: object[]])[] = [];
  await db.raw.transaction(async (trx) => {
    for (const table of tables) rows.push([table, await trx(table).select()]);
  });
  return () =>
    db.raw.transaction(async (trx) => {
      // References are kept by the whole of it, not by each step.
      await trx.raw(
        db.kind === "SQLite"
          ? "PRAGMA defer_foreign_keys = ON"
          : "SET LOCAL session_replication_role = replica",
      );
      for (const [table] of rows) await trx(table).delete();
      for (const [table, all] of rows) for (const row of all) await trx(table).insert(row);
    });
}

/** A home's SQLite database, from outside, until the running test ends. */
export function fromOutside(file: string): Pick<TestDatabase, "raw" | "kind" | "tables"> {
  const raw: Knex = knex({
    client: "sqlite3",
    connection: { filename: file },
    useNullAsDefault: true,
    pool: {
      min: 1,
      max: 1,
      afterCreate(
        connection: { exec(sql: string, done: (error: Error | null) => void): void },
        done: (error: Error | null, connection: unknown) => void,
      ) {
        connection.exec("PRAGMA busy_timeout = 10000", (error) => {
          done(error, connection);
        });
      },
    },
  });
  onTestFinished(() => raw.destroy());
  const text = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
  return {
    raw,
    kind: "SQLite",
    tables: async () => (await raw.raw<{ name: string }[]>(text)).map(({ name }) => name),
  };
}
