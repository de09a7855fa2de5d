import type { Knex } from "knex";

/** Which credential was renewed, with which CSR, and what came of it. A credential is renewed once: it is the key. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable("renewals", (table) => {
    table.text("predecessor").primary();
    table.text("csr_hash").notNullable();
    // The line's first credential.
    table.text("line").notNullable();
    // Nothing until the successor is on record.
    table.text("successor").unique();
    table.bigInteger("renewed_at");
    table.bigInteger("retire_at");
    table.bigInteger("retired_at");
    // When the successor ends by itself: an old line has many credentials, and few that live.
    table.bigInteger("ends_at");
    table.index(["line", "ends_at"]);
  });
  await knex.raw("CREATE INDEX renewals_due_index ON renewals (retire_at) WHERE retired_at IS NULL");
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}
