import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { CredentialUse, UseCounts, UseStore } from "../domain/use.ts";
import { type Integer, number, optional } from "./rows.ts";
import { type Sql, insertRows } from "./sql.ts";

interface CountsRow {
  account: Slug;
  last_at: Integer;
  requests: Integer;
  denials: Integer;
}
interface UseRow extends CountsRow {
  fingerprint: Fingerprint;
  address: string | null;
  agent: string | null;
}

const columns = {
  ...{ fingerprint: "?", account: "?", last_at: "?", address: "?", agent: "?", requests: "?", denials: "?" },
};

/** Of several servers' last calls the newest stays, with all that belongs to it. */
const newest = (column: string): string =>
  `${column} = CASE WHEN excluded.last_at > uses.last_at THEN excluded.${column} ELSE uses.${column} END`;
const ADD = `ON CONFLICT (fingerprint) DO UPDATE SET
  ${["address", "agent", "last_at"].map(newest).join()},
  requests = uses.requests + excluded.requests, denials = uses.denials + excluded.denials`;

/** @param sql on a connection that may write, outside a transaction: each statement is one by itself */
export function useStore(sql: Sql): UseStore {
  const select = async (condition: string, bindings: readonly string[]): Promise<CredentialUse[]> =>
    (await sql<UseRow>(`SELECT * FROM uses ${condition}`, bindings)).map(fromRow);
  const ofAccount = (account: Slug | undefined): [condition: string, bindings: readonly string[]] =>
    account === undefined ? ["", []] : ["WHERE account = ?", [account]];
  return {
    async add(uses) {
      // In one order everywhere: two servers that lock the same rows in PostgreSQL do not wait for each other for ever.
      const rows = uses.map(toRow).sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
      await insertRows(sql, "uses", columns, rows, ADD);
    },
    byFingerprint: async (fingerprint) => (await select("WHERE fingerprint = ?", [fingerprint]))[0],
    list: (account) => select(...ofAccount(account)),
    async byAccount(account) {
      const [condition, bindings] = ofAccount(account);
      const text = `SELECT account, MAX(last_at) AS last_at, SUM(requests) AS requests, SUM(denials) AS denials
        FROM uses ${condition} GROUP BY account`;
      return (await sql<CountsRow>(text, bindings)).map((row) => ({ account: row.account, ...counts(row) }));
    },
  };
}

function toRow(use: CredentialUse): Record<keyof typeof columns, string | number | null> & UseRow {
  const { fingerprint, account, lastAt = 0, address = null, agent = null, requests, denials } = use;
  return { fingerprint, account, last_at: lastAt, address, agent, requests, denials };
}

function fromRow(row: UseRow): CredentialUse {
  const { fingerprint, account } = row;
  return { fingerprint, account, address: optional(row.address), agent: optional(row.agent), ...counts(row) };
}

function counts(row: CountsRow): UseCounts {
  const lastAt = number(row.last_at);
  return {
    lastAt: lastAt === 0 ? undefined : lastAt,
    requests: number(row.requests),
    denials: number(row.denials),
  };
}
