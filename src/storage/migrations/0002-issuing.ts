import { X509Certificate } from "node:crypto";
import type { Knex } from "knex";
import { keyTypeOf } from "../../domain/key-policy.ts";

/** Keys get a table of their own, issuers a name and a state, accounts the names that their servers may have. */
export async function up(knex: Knex): Promise<void> {
  await makeKeys(knex);
  await nameIssuers(knex);
  await knex.schema.alterTable("accounts", (table) => {
    table.text("dns_names").notNullable().defaultTo("[]");
    table.text("server_ips").notNullable().defaultTo("[]");
  });
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}

async function makeKeys(knex: Knex): Promise<void> {
  await knex.schema.createTable("keys", (table) => {
    table.increments("id");
    table.text("spki_hash").notNullable().unique();
    table.text("key_type").notNullable();
    table.integer("account_id").references("accounts.id");
    table.bigInteger("seen_at").notNullable();
    table.bigInteger("blocked_at");
    table.text("blocked_because");
  });
  await fillKeys(knex);

  for (const name of ["intents", "certificates"]) {
    await knex.raw(`ALTER TABLE ${name} ADD COLUMN key_id INTEGER REFERENCES keys (id)`);
    await knex.raw(
      `UPDATE ${name} SET key_id = (SELECT id FROM keys WHERE keys.spki_hash = ${name}.spki_hash)`,
    );
    await knex.raw(`DROP INDEX ${name}_spki_hash_index`);
    await knex.raw(`ALTER TABLE ${name} DROP COLUMN spki_hash`);
  }
  // What is left is written at an index's end for a new certificate, or not at all; but for the fingerprint.
  await knex.raw("CREATE INDEX certificates_key_id_index ON certificates (key_id)");
  await knex.raw("DROP INDEX certificates_serial_index");
  await knex.raw("DROP INDEX certificates_issuer_id_status_index");
  await knex.raw(
    "CREATE INDEX certificates_ended_index ON certificates (issuer_id) WHERE status <> 'active'",
  );
}

/** Whoever had the first certificate for a key has it; one revoked as keyCompromise is blocked. */
async function fillKeys(knex: Knex): Promise<void> {
  interface Row {
    spki_hash: string;
    account_id: number | null;
    issued_at: string | number;
    der: Uint8Array;
    reason: string | null;
    status_at: string | number | null;
  }
  const rows = await knex("certificates")
    .orderBy("issued_at")
    .select<Row[]>("spki_hash", "account_id", "issued_at", "der", "reason", "status_at");
  for (const { spki_hash, account_id, issued_at, der, reason, status_at } of rows) {
    const key_type = keyTypeOf(new X509Certificate(der).publicKey);
    await knex("keys")
      .insert({ spki_hash, key_type, account_id, seen_at: issued_at })
      .onConflict("spki_hash")
      .ignore();
    if (reason !== "keyCompromise") continue;
    await knex("keys").where({ spki_hash }).update({ blocked_at: status_at, blocked_because: reason });
  }
}

async function nameIssuers(knex: Knex): Promise<void> {
  for (const column of [
    "name TEXT",
    "status TEXT",
    "key_type TEXT",
    "not_before BIGINT",
    "not_after BIGINT",
  ]) {
    await knex.raw(`ALTER TABLE issuers ADD COLUMN ${column}`);
  }
  type Row = Record<"id" | "role" | "spki_hash", string> & { der: Uint8Array };
  const rows = await knex("issuers").select<Row[]>("id", "role", "der", "spki_hash");
  for (const { id, role, der, spki_hash } of rows) {
    const certificate = new X509Certificate(der);
    const key_type = keyTypeOf(certificate.publicKey);
    const not_before = certificate.validFromDate.getTime();
    await knex("issuers")
      .where({ id })
      .update({
        name: role === "root" ? "root" : "default",
        status: "active",
        key_type,
        not_before,
        not_after: certificate.validToDate.getTime(),
      });
    await knex("keys")
      .insert({ spki_hash, key_type, account_id: null, seen_at: not_before })
      .onConflict("spki_hash")
      .ignore();
  }
  await knex.raw("CREATE UNIQUE INDEX issuers_name_unique ON issuers (name)");
}
