import type { Knex } from "knex";

/** What limits the calls of an account, besides the addresses that it may call from, and of one certificate: JSON, or nothing. */
export async function up(knex: Knex): Promise<void> {
  for (const name of ["accounts", "certificates"]) {
    await knex.raw(`ALTER TABLE ${name} ADD COLUMN limits TEXT`);
  }
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}
