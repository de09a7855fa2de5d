import type { Knex } from "knex";

/** CRLs get deltas and may be large; what is on them can be read without the certificates. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable("crls", (table) => {
    table.binary("delta");
    table.text("staging");
    for (const point of ["scheduled", "base"]) {
      table.bigInteger(`${point}_number`);
      table.bigInteger(`${point}_at`);
      table.bigInteger(`${point}_basis`);
      table.bigInteger(`${point}_floor`);
    }
  });
  // A large CRL's octets, written before it is on record: one statement for all would keep other writers waiting.
  await knex.schema.createTable("crl_chunks", (table) => {
    table.text("issuer_id").notNullable().references("issuers.id");
    table.bigInteger("number").notNullable();
    table.text("staging").notNullable();
    table.integer("position").notNullable();
    table.binary("octets").notNullable();
    table.primary(["staging", "position"]);
    table.index(["issuer_id", "number", "staging", "position"]);
  });
  // Everything that an entry is made of, so that a million of them are read off the index alone.
  await knex.raw("DROP INDEX certificates_ended_index");
  await knex.raw(
    `CREATE INDEX certificates_ended_index
     ON certificates (issuer_id, serial, not_after, status, status_at, reason, invalidity_at) WHERE status <> 'active'`,
  );
  await knex.raw(
    `CREATE INDEX changes_of_status_index ON changes (sequence, action, subject) WHERE ${STATUS_CHANGES}`,
  );
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}

/** As queries have to say it for the index to be used. */
const STATUS_CHANGES =
  "action IN ('certificate.revoke','certificate.suspend','certificate.resume','account.suspend','account.resume')";
