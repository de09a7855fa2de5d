import type { IssuerId } from "../domain/identifiers.ts";
import type { CertificateStore, CrlSelection } from "../domain/ports.ts";
import { HOLD, REMOVED, revocationReasons } from "../domain/revocation.ts";
import { OF_STATUS } from "./change-store.ts";
import { type Integer, number } from "./rows.ts";
import type { Sql, Value } from "./sql.ts";

/** Each takes the database some 20 ms, in which others who only read wait. */
const PAGE = 10_000;

const codes = Object.entries(revocationReasons).map(([name, code]) => `WHEN '${name}' THEN ${String(code)}`);
const OWN_REASON = `CASE WHEN status = 'suspended' THEN ${String(HOLD)}
  ELSE CASE reason ${codes.join(" ")} ELSE 0 END END`;

/** Of what is not active; of the others, by the account (DESIGN §6). */
const ended = "serial, coalesce(status_at, 0) AS moment, not_after AS ends, " + `${OWN_REASON} AS code`;
const anyState = `c.serial, c.not_after AS ends,
  coalesce(CASE WHEN c.status <> 'active' THEN c.status_at WHEN a.status = 'suspended' THEN a.suspended_at END, 0) AS moment,
  CASE WHEN c.status <> 'active' THEN ${OWN_REASON.replace("status", "c.status")}
    WHEN a.status = 'suspended' THEN ${String(HOLD)} ELSE ${String(REMOVED)} END AS code`;

const CERTIFICATE = "action IN ('certificate.revoke','certificate.suspend','certificate.resume')";
const ACCOUNT = "action IN ('account.suspend','account.resume')";
const subjects = (which: string): string =>
  `SELECT subject FROM changes WHERE sequence > ? AND sequence <= ? AND ${OF_STATUS} AND ${which}`;

export function crlPages(sql: Sql): CertificateStore["crlPages"] {
  return async function* (issuer, selection) {
    for (const source of sources(issuer, selection)) yield* pages(sql, source);
  };
}

interface Source {
  /** Ends in a condition on the serial, `serial > ?`. */
  readonly select: string;
  readonly serial: "serial" | "c.serial";
  readonly bindings: readonly Value[];
}

function sources(issuer: IssuerId, selection: CrlSelection): Source[] {
  if ("floor" in selection) {
    const bindings = [issuer, selection.floor];
    const list = `SELECT ${ended} FROM certificates WHERE issuer_id = ? AND status <> 'active' AND not_after >= ?`;
    const held = `SELECT ${anyState} FROM accounts a JOIN certificates c ON c.account_id = a.id
      WHERE a.status = 'suspended' AND c.status = 'active' AND c.issuer_id = ? AND c.not_after >= ?`;
    return [
      { select: list, serial: "serial", bindings },
      { select: held, serial: "c.serial", bindings },
    ];
  }
  const bindings = [issuer, selection.since, selection.until];
  const touched = `SELECT ${anyState} FROM certificates c LEFT JOIN accounts a ON a.id = c.account_id
    WHERE c.issuer_id = ? AND`;
  return [
    { select: `${touched} c.fingerprint IN (${subjects(CERTIFICATE)})`, serial: "c.serial", bindings },
    {
      select: `${touched} c.account_id IN (SELECT id FROM accounts WHERE slug IN (${subjects(ACCOUNT)}))`,
      serial: "c.serial",
      bindings,
    },
  ];
}

/** A row for each page, put together by the database: a million rows would be a second of the event loop. */
async function* pages(sql: Sql, { select, serial, bindings }: Source): AsyncGenerator<string> {
  const text = `SELECT string_agg(serial || ',' || moment || ',' || code || ',' || ends, ';') AS page,
      max(serial) AS last, count(*) AS rows
    FROM (${select} AND ${serial} > ? ORDER BY ${serial} LIMIT ${String(PAGE)}) AS entries`;
  for (let last = ""; ;) {
    const [row] = await sql<{ page: string | null; last: string | null; rows: Integer }>(text, [
      ...bindings,
      last,
    ]);
    if (typeof row?.page !== "string" || row.last === null) return;
    yield row.page;
    if (number(row.rows) < PAGE) return;
    last = row.last;
  }
}
