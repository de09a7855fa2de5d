import { Refusal } from "../domain/errors.ts";

/** SQLite: busy, locked, out of memory, read-only, I/O error, full, cannot open. */
const sqliteCodes = /^SQLITE_(BUSY|LOCKED|NOMEM|READONLY|IOERR|FULL|CANTOPEN)/;
/** PostgreSQL: connection, resources, operator intervention, system errors; and the socket's own. */
const postgresCodes =
  /^(08|53|57|58)[0-9A-Z]{3}$|^E(CONN(REFUSED|RESET)|TIMEDOUT|PIPE|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)/;

/** Runs database work; a database that cannot work now becomes UNAVAILABLE, anything else passes. */
export async function refuseWhenUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (isUnavailable(error)) throw new Refusal("UNAVAILABLE", undefined, String(error));
    throw error;
  }
}

/** A store whose every method does the same. */
export function guarded<Store extends object>(store: Store): Store {
  const guard =
    (method: (...args: never[]) => unknown) =>
    (...args: never[]): unknown => {
      const result = method(...args);
      return result instanceof Promise ? refuseWhenUnavailable(() => result) : result;
    };
  const methods = Object.entries(store) as [string, (...args: never[]) => unknown][];
  return Object.fromEntries(methods.map(([name, method]) => [name, guard(method)])) as Store;
}

/** Without a code; Knex puts the SQL before the driver's words. */
const driversWords =
  /(^| - )(Query read timeout|timeout expired|timeout exceeded when trying to connect|Connection terminated.*|Client has encountered a connection error.*)$/;

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof Refusal) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return (
    error.name === "KnexTimeoutError" ||
    sqliteCodes.test(code) ||
    postgresCodes.test(code) ||
    driversWords.test(error.message)
  );
}
