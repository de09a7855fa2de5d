import knex, { type Knex } from "knex";
import type { Stores } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import { type Engine, silent, storesOn } from "./engine.ts";
import { readStanding, write } from "./issuance.ts";
import { knexSql } from "./sql.ts";

/** @param timeout how long a query may take, in milliseconds */
export function postgresEngine(url: string, timeout = 10 * SECOND): Engine {
  const db = knex({ ...settings(url, timeout), log: silent });
  const transaction = <Result>(work: (stores: Stores) => Promise<Result>): Promise<Result> =>
    db.transaction(async (trx) => {
      // The row lock, taken first, makes the order of changes the order of commits: a follower misses none.
      await trx("sequence").update({ last: trx.ref("last") });
      return work(storesOn(trx, knexSql(trx)));
    });
  return {
    knex: db,
    stores: storesOn(db, knexSql(db)),
    transaction,
    issue: (question, decide) =>
      transaction(async (stores) => {
        const { outcome, writes } = decide(await readStanding(stores, question));
        await write(stores, writes);
        return outcome;
      }),
    close: () => db.destroy(),
  };
}

/** Without limits, a query whose packets are dropped would be waited for for ever. */
function settings(url: string, timeout: number): Knex.Config {
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
