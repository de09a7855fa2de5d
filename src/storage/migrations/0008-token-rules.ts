import type { Knex } from "knex";

/** Tokens get rules and a number of uses, each use of a fleet's token being a token of its own; and there are requests without one. */
export async function up(knex: Knex): Promise<void> {
  for (const column of [
    "from_ranges TEXT",
    "key_types TEXT",
    "spki_hash TEXT",
    "uses INTEGER NOT NULL DEFAULT 1",
    "uses_taken INTEGER NOT NULL DEFAULT 0",
    "used_from TEXT",
    // Of a use: the fleet's token. Of what a request was approved with: the request.
    "parent TEXT",
  ]) {
    await knex.raw(`ALTER TABLE tokens ADD COLUMN ${column}`);
  }
  await knex.raw("CREATE INDEX tokens_parent_index ON tokens (parent) WHERE parent IS NOT NULL");

  await knex.schema.createTable("requests", (table) => {
    table.text("id").primary();
    table.text("csr_hash").notNullable().unique();
    table.text("spki_hash").notNullable().index();
    table.text("key_type").notNullable();
    table.text("address").notNullable();
    table.text("address_group").notNullable();
    table.text("profile");
    table.bigInteger("created_at").notNullable();
    table.bigInteger("expires_at").notNullable();
    table.text("status").notNullable();
    table.bigInteger("decided_at");
    table.text("decided_by");
    table.text("note");
    table.text("account");
    table.text("token_id");
  });
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}
