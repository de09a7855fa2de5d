import type { Knex } from "knex";
import type { Database, Stores } from "../domain/ports.ts";
import { accountStore } from "./account-store.ts";
import { certificateStore } from "./certificate-store.ts";
import { changeStore } from "./change-store.ts";
import { crlStore } from "./crl-store.ts";
import { followerStore } from "./follower-store.ts";
import { issuerStore } from "./issuer-store.ts";
import { keyStore } from "./key-store.ts";
import { renewalStore } from "./renewal-store.ts";
import { requestStore } from "./request-store.ts";
import type { Sql } from "./sql.ts";
import { tokenStore } from "./token-store.ts";
import { useStore } from "./use-store.ts";

/** A kind of database, open: what the kinds do in their own ways. */
export interface Engine {
  /** For migrations. */
  readonly knex: Knex;
  /** Outside a transaction. */
  readonly stores: Stores;
  readonly transaction: Database["transaction"];
  readonly issue: Database["issue"];
  readonly close: () => Promise<void>;
}

/** Every store by these ways to a database. */
export function storesOn(db: Knex, sql: Sql): Stores {
  return {
    accounts: accountStore(db, sql),
    tokens: tokenStore(db, sql),
    requests: requestStore(db),
    keys: keyStore(db, sql),
    certificates: certificateStore(db, sql),
    issuers: issuerStore(db),
    crls: crlStore(db, sql),
    changes: changeStore(db, sql),
    followers: followerStore(db),
    uses: useStore(sql),
    renewals: renewalStore(sql),
  };
}

/** Knex would write to standard output, which is for results; whatever matters is thrown as well. */
export const silent = { warn: ignore, error: ignore, deprecate: ignore, debug: ignore };
export function ignore(): void {
  // Nothing to be said.
}
