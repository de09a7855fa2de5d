import sqlite3 from "sqlite3";

// Loaded into a server before its own code: kills it when it is about to give SQLite a certain statement. KILLED_BEFORE is
// a list of parts of statements, in JSON, which have to come in this order: the last one is never run.

const awaited = JSON.parse(process.env["KILLED_BEFORE"] ?? "[]") as string[];

function see(statement: unknown): void {
  const [next] = awaited;
  if (next === undefined || !String(statement).includes(next)) return;
  awaited.shift();
  if (awaited.length === 0) process.kill(process.pid, "SIGKILL");
}

type Method = (this: unknown, ...args: unknown[]) => unknown;
const database = sqlite3.Database.prototype as unknown as Record<string, Method>;
for (const name of ["exec", "run", "all"]) {
  const original = database[name];
  database[name] = function (...args) {
    see(args[0]);
    return original?.apply(this, args);
  };
}
const prepare = database["prepare"];
database["prepare"] = function (...args) {
  const statement = prepare?.apply(this, args) as Record<string, Method>;
  for (const name of ["run", "all"]) {
    const original = statement[name];
    statement[name] = function (...bindings) {
      see(args[0]);
      return original?.apply(this, bindings);
    };
  }
  return statement;
};
