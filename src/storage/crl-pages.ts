import type { IssuerId } from "../domain/identifiers.ts";
import type { CrlSelection } from "../domain/crl.ts";
import type { CertificateStore } from "../domain/ports.ts";
import { HOLD, REMOVED, revocationReasons } from "../domain/revocation.ts";
import { OF_STATUS } from "./change-store.ts";
import { type Integer, number } from "./rows.ts";
import type { Sql, Value } from "./sql.ts";

/** Each takes the database a few milliseconds, in which others who only read wait; a text this long is soon collected. */
const PAGE = 2000;

const codes = Object.entries(revocationReasons).map(([name, code]) => `WHEN '${name}' THEN ${String(code)}`);
const OWN_REASON = `CASE WHEN status = 'suspended' THEN ${String(HOLD)}
  ELSE CASE reason ${codes.join(" ")} ELSE 0 END END`;

/** Of what is not active; of the others, by the account. */
const ended =
  "serial, coalesce(status_at, 0) AS moment, not_after AS ends, invalidity_at AS since, " +
  `${OWN_REASON} AS code`;
const anyState = `c.serial, c.not_after AS ends, CASE WHEN c.status = 'revoked' THEN c.invalidity_at END AS since,
  coalesce(CASE WHEN c.status <> 'active' THEN c.status_at WHEN a.status = 'suspended' THEN a.suspended_at END, 0) AS moment,
  CASE WHEN c.status <> 'active' THEN ${OWN_REASON.replace("status", "c.status")}
    WHEN a.status = 'suspended' THEN ${String(HOLD)} ELSE ${String(REMOVED)} END AS code`;

const CERTIFICATE = "action IN ('certificate.revoke','certificate.suspend','certificate.resume')";
const ACCOUNT = "action IN ('account.suspend','account.resume')";
const subjects = (which: string): string =>
  `SELECT DISTINCT subject FROM changes WHERE sequence > ? AND sequence <= ? AND ${OF_STATUS} AND ${which}`;

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

/**
 * CROSS JOIN has SQLite take the tables in this order, and what is added to `issuer_id` keeps it off that index: it would
 * look at every certificate of the issuer.
 */
function sources(issuer: IssuerId, selection: CrlSelection): Source[] {
  const own = "c.issuer_id || '' = ?";
  if ("floor" in selection) {
    const bindings = [issuer, selection.floor];
    const list = `SELECT ${ended} FROM certificates WHERE issuer_id = ? AND status <> 'active' AND not_after >= ?`;
    const held = `SELECT ${anyState} FROM accounts a CROSS JOIN certificates c
      WHERE a.status = 'suspended' AND c.account_id = a.id AND c.status = 'active' AND ${own} AND c.not_after >= ?`;
    return [
      { select: list, serial: "serial", bindings },
      { select: held, serial: "c.serial", bindings },
    ];
  }
  const bindings = [selection.since, selection.until, issuer];
  const certificates = `SELECT ${anyState} FROM (${subjects(CERTIFICATE)}) s CROSS JOIN certificates c
    LEFT JOIN accounts a ON a.id = c.account_id WHERE c.fingerprint = s.subject AND ${own}`;
  const accounts = `SELECT ${anyState} FROM (${subjects(ACCOUNT)}) s CROSS JOIN accounts a CROSS JOIN certificates c
    WHERE a.slug = s.subject AND c.account_id = a.id AND ${own}`;
  return [
    { select: certificates, serial: "c.serial", bindings },
    { select: accounts, serial: "c.serial", bindings },
  ];
}

/** With one more field where there is an invalidity date. */
const ENTRY = "serial || ',' || moment || ',' || code || ',' || ends || coalesce(',' || since, '')";

/** A row for each page, put together by the database: a million rows would be a second of the event loop. */
async function* pages(sql: Sql, { select, serial, bindings }: Source): AsyncGenerator<string> {
  const text = `SELECT string_agg(${ENTRY}, ';') AS page,
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
