import type { Knex } from "knex";

/** Who gave a certificate its status, why, and since when it is no good. */
export async function up(knex: Knex): Promise<void> {
  for (const column of ["invalidity_at BIGINT", "status_by TEXT", "status_note TEXT"]) {
    await knex.raw(`ALTER TABLE certificates ADD COLUMN ${column}`);
  }
}

export async function down(): Promise<void> {
  await Promise.reject(new Error("restore a backup instead"));
}
