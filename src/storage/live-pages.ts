import type { Fingerprint, IssuerId, Serial } from "../domain/identifiers.ts";
import { parseScope } from "../domain/names.ts";
import type { CertificateStore } from "../domain/ports.ts";
import type { CertificateStatus, CredentialRecord } from "../domain/records.ts";
import { type Integer, number, optionalList } from "./rows.ts";
import type { Sql } from "./sql.ts";
import { limitsFromText } from "./stored-limits.ts";

/** Rows. Larger pages leave holes in memory that stay: 40 MB at a million with twice as many; over a network, each page has its delay. */
const PAGE = { rowid: 100, fingerprint: 1000 };
/** Neither is in a field: what is JSON has them escaped. */
const [TAB, LINE] = ["\t", "\n"];

/** `undefined` of a scope list or a limit is written as nothing. */
const CREDENTIAL = [
  ...["fingerprint", "issuer_id", "serial", "account_id", "not_before", "not_after", "status"],
  ...["coalesce(scopes, '')", "coalesce(limits, '')"],
].join(` || '${TAB}' || `);

/**
 * Every credential that is not past its end. A page comes as one row, put together by the database: an object for each row of
 * a million takes several times as long.
 *
 * @param key what the pages go by: the order in which the rows are stored, where there is one, is many times as fast as any
 * other. One that moves meanwhile (VACUUM) may be left out: whoever is asked about it looks it up.
 */
export function livePages(sql: Sql, key: "fingerprint" | "rowid"): CertificateStore["live"] {
  const text = `SELECT string_agg(entry, '${LINE}') AS page, max(place) AS last, count(*) AS rows
    FROM (SELECT ${key} AS place, ${CREDENTIAL} AS entry FROM certificates
      WHERE ${key} > ? AND account_id IS NOT NULL AND not_after >= ? ORDER BY ${key} LIMIT ?) AS entries`;
  return async function* (now) {
    for (let last: string | number = key === "rowid" ? 0 : ""; ;) {
      const [row] = await sql<PageRow>(text, [last, now, PAGE[key]]);
      if (typeof row?.page !== "string" || row.last === null) return;
      yield row.page.split(LINE).map(credentialFrom);
      if (number(row.rows) < PAGE[key]) return;
      last = row.last;
    }
  };
}

interface PageRow {
  readonly page: string | null;
  readonly last: string | number | null;
  readonly rows: Integer;
}

function credentialFrom(entry: string): CredentialRecord {
  const [fingerprint = "", issuer, serial, account, notBefore, notAfter, status, scopes = "", limits = ""] =
    entry.split(TAB);
  return {
    fingerprint: fingerprint as Fingerprint,
    issuerId: issuer as IssuerId,
    serial: serial as Serial,
    accountId: Number(account),
    notBefore: Number(notBefore),
    notAfter: Number(notAfter),
    scopes: optionalList(scopes === "" ? null : scopes, parseScope),
    limits: limits === "" ? undefined : limitsFromText(limits),
    status: status as CertificateStatus,
  };
}
