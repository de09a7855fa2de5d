import { randomBytes } from "node:crypto";
import { copyFile } from "node:fs/promises";
import knex, { type Knex } from "knex";
import { Client } from "pg";
import { afterAll, beforeAll, describe, inject } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { type DatabaseLocation, openDatabase } from "../../src/storage/database.ts";
import { type Workspace, makeWorkspace } from "./workspace.ts";

export type DatabaseKind = "SQLite" | "PostgreSQL";

/** A database of its own for one suite, made before its tests and taken away after them. */
export class TestDatabase {
  readonly kind: DatabaseKind;
  readonly #opened: Database[] = [];
  #workspace: Workspace | undefined;
  #name: string | undefined;
  #location: DatabaseLocation | undefined;
  #raw: Knex | undefined;

  constructor(kind: DatabaseKind) {
    this.kind = kind;
  }

  /** The first connection to it. */
  get database(): Database {
    return required(this.#opened[0]);
  }

  get location(): DatabaseLocation {
    return required(this.#location);
  }

  /** Another connection, as another process has it. Closed with the suite. */
  open(): Promise<Database> {
    return this.openAt(this.location);
  }

  /** The same, but by another way. */
  async openAt(location: DatabaseLocation): Promise<Database> {
    const database = await openDatabase(location);
    this.#opened.push(database);
    return database;
  }

  /** Rows as the driver gives them. */
  async query(sql: string): Promise<Record<string, unknown>[]> {
    const result: unknown = await this.raw.raw(sql);
    return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as Record<
      string,
      unknown
    >[];
  }

  get raw(): Knex {
    this.#raw ??= knex(rawConnection(this.location));
    return this.#raw;
  }

  async tables(): Promise<string[]> {
    const rows = await this.query(
      this.kind === "SQLite"
        ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        : "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY name",
    );
    return rows.map(({ name }) => String(name));
  }

  /** Everything in it, to be compared or searched. */
  async dump(): Promise<Record<string, string[]>> {
    const contents: Record<string, string[]> = {};
    for (const table of await this.tables()) {
      const rows: unknown[] = await this.raw(table).select();
      contents[table] = rows.map(rowText).sort();
    }
    return contents;
  }

  /**
   * Makes it, with no table yet.
   *
   * @param template an SQLite file to start from, which is quicker than laying out the tables once more
   */
  async create(template?: string): Promise<void> {
    if (this.kind === "SQLite") {
      this.#workspace = await makeWorkspace();
      const file = this.#workspace.file("state.sqlite");
      this.#location = { file };
      if (template !== undefined) await copyFile(template, file);
    } else {
      const name = `test_${randomBytes(8).toString("hex")}`;
      await asAdmin(`CREATE DATABASE ${name}`);
      this.#name = name;
      this.#location = { url: `${inject("postgresUrl")}/${name}` };
    }
  }

  async remove(): Promise<void> {
    await this.#raw?.destroy();
    for (const database of this.#opened) await database.close();
    await this.#workspace?.remove();
    if (this.#name !== undefined) await asAdmin(`DROP DATABASE ${this.#name} WITH (FORCE)`);
  }
}

export const databaseKinds: readonly DatabaseKind[] = ["SQLite", "PostgreSQL"];

/** Runs a suite against every database, as knex's own tests do. */
export function onEachDatabase(title: string, suite: (db: TestDatabase) => void): void {
  describe.each(databaseKinds)(`${title}, %s`, (kind) => {
    const db = new TestDatabase(kind);
    beforeAll(async () => {
      await db.create();
      await db.open();
    });
    afterAll(() => db.remove());
    suite(db);
  });
}

async function asAdmin(sql: string): Promise<void> {
  const client = new Client({ connectionString: `${inject("postgresUrl")}/postgres` });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function rawConnection(location: DatabaseLocation): Knex.Config {
  const pool = { min: 0, max: 1 };
  return "url" in location
    ? { client: "pg", connection: location.url, pool }
    : { client: "sqlite3", connection: { filename: location.file }, useNullAsDefault: true, pool };
}

function rowText(row: unknown): string {
  return JSON.stringify(row, (_key, value: unknown) => {
    const bytes = value as { type?: unknown; data?: unknown } | null;
    const isBuffer = typeof bytes === "object" && bytes?.type === "Buffer" && Array.isArray(bytes.data);
    return isBuffer ? Buffer.from(bytes.data as number[]).toString("latin1") : value;
  });
}

function required<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("the database is made before the suite's first test");
  return value;
}
