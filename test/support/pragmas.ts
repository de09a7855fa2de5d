import sqlite3 from "sqlite3";
import { vi } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { openDatabase } from "../../src/storage/database.ts";

/** An SQLite database whose own connections can be told something: most pragmas belong to a connection. */
export interface PragmaDatabase {
  readonly database: Database;
  /** Sets it on each of its connections. */
  readonly pragma: (name: string, value: number) => Promise<void>;
}

export async function openWithPragmas(file: string): Promise<PragmaDatabase> {
  const exec = vi.spyOn(sqlite3.Database.prototype, "exec");
  const database = await openDatabase({ file });
  await database.changes.last(); // the reader connects when it is first asked
  const connections = [...new Set(exec.mock.contexts as sqlite3.Database[])];
  exec.mockRestore();
  return {
    database,
    async pragma(name, value) {
      for (const connection of connections) {
        await new Promise<void>((resolve, reject) => {
          connection.exec(`PRAGMA ${name} = ${String(value)}`, (error) => {
            if (error) reject(error);
            else resolve();
          });
        });
      }
    },
  };
}
