import type { Knex } from "knex";

/** Times are milliseconds since 1970; lists are JSON text; hashes and serials are lower-case hex. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable("accounts", (table) => {
    table.increments("id");
    table.text("slug").notNullable().unique();
    table.text("status").notNullable();
    table.text("scopes").notNullable();
    table.text("allow_ips").notNullable();
    table.bigInteger("created_at").notNullable();
    table.bigInteger("suspended_at");
  });

  await knex.schema.createTable("issuers", (table) => {
    table.text("id").primary();
    table.text("role").notNullable();
    table.text("spki_hash").notNullable();
    table.binary("der").notNullable();
  });

  // What was about to be signed, whether or not anything came of it.
  await knex.schema.createTable("intents", (table) => {
    table.text("issuer_id").notNullable().references("issuers.id");
    table.text("serial").notNullable();
    table.integer("account_id").references("accounts.id");
    table.text("profile").notNullable();
    table.text("spki_hash").notNullable().index();
    table.bigInteger("not_before").notNullable();
    table.bigInteger("not_after").notNullable();
    table.bigInteger("created_at").notNullable();
    table.primary(["issuer_id", "serial"]);
  });

  await knex.schema.createTable("certificates", (table) => {
    table.text("fingerprint").primary();
    table.text("issuer_id").notNullable();
    table.text("serial").notNullable().index();
    table.integer("account_id").references("accounts.id").index();
    table.text("profile").notNullable();
    table.text("scopes");
    table.text("spki_hash").notNullable().index();
    table.bigInteger("not_before").notNullable();
    table.bigInteger("not_after").notNullable().index();
    table.bigInteger("issued_at").notNullable();
    table.text("status").notNullable();
    table.bigInteger("status_at");
    table.text("reason");
    table.binary("der").notNullable();
    table.unique(["issuer_id", "serial"]);
    table.foreign(["issuer_id", "serial"]).references(["issuer_id", "serial"]).inTable("intents");
    table.index(["issuer_id", "status"]);
  });

  await knex.schema.createTable("tokens", (table) => {
    table.text("id").primary();
    table.text("hash").notNullable().unique();
    table.integer("account_id").notNullable().references("accounts.id");
    table.text("profile").notNullable();
    table.text("scopes");
    table.bigInteger("created_at").notNullable();
    table.bigInteger("expires_at").notNullable();
    table.bigInteger("revoked_at");
    table.bigInteger("used_at");
    table.text("csr_hash");
    table.text("fingerprint");
  });

  await knex.schema.createTable("crls", (table) => {
    table.text("issuer_id").notNullable().references("issuers.id");
    table.bigInteger("number").notNullable();
    table.bigInteger("this_update").notNullable();
    table.bigInteger("next_update").notNullable();
    table.bigInteger("basis").notNullable();
    table.binary("der").notNullable();
    table.primary(["issuer_id", "number"]);
  });

  await knex.schema.createTable("changes", (table) => {
    table.bigInteger("sequence").primary();
    table.bigInteger("time").notNullable();
    table.text("actor").notNullable();
    table.text("action").notNullable();
    table.text("subject").notNullable();
    table.text("detail").notNullable();
  });

  // One row: the last change's number. Every transaction takes its lock first.
  await knex.schema.createTable("sequence", (table) => {
    table.bigInteger("last").notNullable();
  });
  await knex("sequence").insert({ last: 0 });

  await knex.schema.createTable("followers", (table) => {
    table.text("id").primary();
    table.integer("pid").notNullable();
    table.text("host").notNullable();
    table.bigInteger("applied").notNullable();
    table.bigInteger("seen_at").notNullable();
  });

  await knex.schema.createTable("closings", (table) => {
    table.text("follower_id").notNullable();
    table.bigInteger("sequence").notNullable();
    table.integer("connections").notNullable();
    table.primary(["follower_id", "sequence"]);
  });
}

export async function down(): Promise<void> {
  // A database is not taken back to before it existed: restore a backup instead.
  await Promise.reject(new Error("the first migration cannot be undone"));
}
