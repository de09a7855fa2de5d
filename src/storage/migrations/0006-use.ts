import type { Knex } from "knex";

/** What credentials are used for: a table of its own, for it is written all the time, and certificates are wide. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable("uses", (table) => {
    table.text("fingerprint").primary();
    table.text("account").notNullable().index();
    // 0: never let through.
    table.bigInteger("last_at").notNullable();
    table.text("address");
    table.text("agent");
    table.bigInteger("requests").notNullable();
    table.bigInteger("denials").notNullable();
  });
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}
