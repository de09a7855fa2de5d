import type { Knex } from "knex";
import * as main from "./0001-main.ts";
import * as issuing from "./0002-issuing.ts";
import * as revocation from "./0003-revocation.ts";
import * as crl from "./0004-crl.ts";
import * as limits from "./0005-limits.ts";
import * as use from "./0006-use.ts";
import * as renewals from "./0007-renewals.ts";
import * as tokenRules from "./0008-token-rules.ts";

const migrations: Readonly<Record<string, Knex.Migration>> = {
  "0001-main": main,
  "0002-issuing": issuing,
  "0003-revocation": revocation,
  "0004-crl": crl,
  "0005-limits": limits,
  "0006-use": use,
  "0007-renewals": renewals,
  "0008-token-rules": tokenRules,
};

/** Named without an extension: Knex records the names, and `.ts` in a checkout is `.js` when published. */
export const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: () => Promise.resolve(Object.keys(migrations)),
  getMigrationName: (name) => name,
  getMigration: (name) => {
    const migration = migrations[name];
    return migration ? Promise.resolve(migration) : Promise.reject(new Error(`no migration ${name}`));
  },
};
