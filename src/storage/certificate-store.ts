import type { Knex } from "knex";
import type { Fingerprint, IssuerId, Serial, SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { Revocation, Standing } from "../domain/ocsp.ts";
import type { CertificateFilter, CertificateStore } from "../domain/ports.ts";
import type {
  CertificateRecord,
  CertificateStatus,
  CredentialRecord,
  Intent,
  StatusUpdate,
} from "../domain/records.ts";
import { HOLD, type RevocationReason, revocationReasons } from "../domain/revocation.ts";
import { crlPages } from "./crl-pages.ts";
import { KEY_ID } from "./key-store.ts";
import { livePages } from "./live-pages.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";
import { type Sql, built, inChunks, insertRows } from "./sql.ts";
import { limitsFromText, limitsToText } from "./stored-limits.ts";

interface CertificateRow {
  fingerprint: Fingerprint;
  issuer_id: IssuerId;
  serial: Serial;
  account_id: number | null;
  profile: Slug;
  scopes: string | null;
  key_id: number;
  not_before: Integer;
  not_after: Integer;
  issued_at: Integer;
  status: CertificateStatus;
  status_at: Integer | null;
  reason: RevocationReason | null;
  invalidity_at: Integer | null;
  status_by: string | null;
  status_note: string | null;
  limits: string | null;
  der: Uint8Array;
}

type TallyRow = Pick<CertificateRow, "status" | "reason"> & Record<"ends_before" | "count", Integer>;
type JoinedRow = CertificateRow & { account: Slug | null; spki_hash: SpkiHash; key_type: KeyType };

export function certificateStore(db: Knex, sql: Sql): CertificateStore {
  const certificates = () => db<CertificateRow>("certificates");
  const joined = () =>
    db("certificates")
      .join("keys", "keys.id", "certificates.key_id")
      .leftJoin("accounts", "accounts.id", "certificates.account_id")
      .select(
        "certificates.*",
        "accounts.slug as account",
        "keys.spki_hash",
        "keys.key_type",
      ) as Knex.QueryBuilder<object, JoinedRow[]>;
  const byFingerprints: CertificateStore["byFingerprints"] = (fingerprints) =>
    inChunks(fingerprints, async (_list, chunk) =>
      (await built<JoinedRow>(sql, joined().whereIn("fingerprint", chunk))).map(fromRow),
    );
  // By the index on issuer and serial: there are few issuers.
  const bySerials: CertificateStore["bySerials"] = (serials) =>
    inChunks(serials, async (_list, chunk) => {
      const ofIssuers = joined().whereIn("certificates.issuer_id", db("issuers").select("id"));
      return (await ofIssuers.whereIn("certificates.serial", chunk)).map(fromRow);
    });
  return {
    intend: (intents) => insertRows(sql, "intents", intentColumns, intents.map(intentRow)),
    insert: (records) => insertRows(sql, "certificates", certificateColumns, records.map(certificateRow)),
    byFingerprints,
    byFingerprint: async (fingerprint) => (await byFingerprints([fingerprint]))[0],
    bySerials,
    async inGroup(group, states, { now, after, limit }) {
      const live = filtered(joined(), group)
        .whereNotNull("certificates.account_id")
        .whereIn("certificates.status", states)
        .where("certificates.not_after", ">", now);
      if (after !== undefined) void live.where("certificates.serial", ">", after);
      return (await live.orderBy("certificates.serial").limit(limit)).map(fromRow);
    },
    async list(filter) {
      const query = filtered(joined(), filter).orderBy("certificates.issued_at");
      return (await built<JoinedRow>(sql, query)).map(fromRow);
    },
    async setStatus(fingerprints, update) {
      const columns = statusColumns(update);
      const updated = await inChunks(fingerprints, (_list, chunk) => {
        const open = certificates().whereIn("fingerprint", chunk).whereNot("status", "revoked");
        return built(sql, open.update(columns).returning("fingerprint"));
      });
      if (updated.length !== new Set(fingerprints).size)
        throw new Error("a certificate is revoked, or not on record");
    },
    async setRights(fingerprint, { scopes, limits }) {
      const count = await certificates()
        .where({ fingerprint })
        .update({ scopes: scopes ? JSON.stringify(scopes) : null, limits: limitsToText(limits) });
      if (count !== 1) throw new Error("the certificate is not on record");
    },
    crlPages: crlPages(sql),
    standings: (issuer, serials) =>
      inChunks(serials, async (list, chunk) => {
        const text = `SELECT serial, fingerprint, accounts.slug AS account, certificates.status AS status,
            status_at, reason, suspended_at
          FROM certificates LEFT JOIN accounts ON accounts.id = certificates.account_id
          WHERE issuer_id = ? AND serial IN (${list})`;
        return (await sql<StandingRow>(text, [issuer, ...chunk])).map(standingFrom);
      }),
    credentials: (fingerprints) =>
      inChunks(fingerprints, async (list, chunk) => {
        const text = `SELECT ${CREDENTIAL} FROM certificates
          WHERE fingerprint IN (${list}) AND account_id IS NOT NULL`;
        return (await sql<CredentialRow>(text, chunk)).map(credentialFrom);
      }),
    async tally(ends) {
      const cases = ends.map((_end, index) => `WHEN not_after <= ? THEN ${String(index)}`).join(" ");
      const text = `SELECT status, reason, CASE ${cases} ELSE ${String(ends.length)} END AS ends_before,
        COUNT(*) AS count FROM certificates WHERE account_id IS NOT NULL GROUP BY 1, 2, 3`;
      const rows = await sql<TallyRow>(text, ends);
      return rows.map(({ status, reason, ends_before, count }) => {
        return { status, reason: optional(reason), endsBefore: number(ends_before), count: number(count) };
      });
    },
    live: livePages(sql, "fingerprint"),
  };
}

function statusColumns(update: StatusUpdate): Partial<CertificateRow> {
  return {
    status: update.status,
    status_at: update.statusAt ?? null,
    reason: update.reason ?? null,
    invalidity_at: update.invalidityAt ?? null,
    status_by: update.statusBy ?? null,
    status_note: update.note ?? null,
  };
}

const CREDENTIAL =
  "fingerprint, issuer_id, serial, account_id, not_before, not_after, scopes, limits, status";

type CredentialRow = Pick<
  CertificateRow,
  | ("fingerprint" | "issuer_id" | "serial" | "account_id")
  | ("not_before" | "not_after" | "scopes" | "limits" | "status")
>;

function credentialFrom(row: CredentialRow): CredentialRecord {
  return {
    fingerprint: row.fingerprint,
    issuerId: row.issuer_id,
    serial: row.serial,
    accountId: optional(row.account_id),
    notBefore: number(row.not_before),
    notAfter: number(row.not_after),
    scopes: optionalList(row.scopes, parseScope),
    limits: row.limits === null ? undefined : limitsFromText(row.limits),
    status: row.status,
  };
}

function filtered(
  query: Knex.QueryBuilder<object, JoinedRow[]>,
  filter: CertificateFilter,
): Knex.QueryBuilder<object, JoinedRow[]> {
  if (filter.account !== undefined) query = query.where("accounts.slug", filter.account);
  if (filter.status !== undefined) query = query.where("certificates.status", filter.status);
  if (filter.expiringBefore !== undefined) query = query.where("not_after", "<", filter.expiringBefore);
  if (filter.keyType !== undefined) query = query.where("keys.key_type", filter.keyType);
  if (filter.issuer !== undefined) query = query.where("certificates.issuer_id", filter.issuer);
  if (filter.spkiHash !== undefined) query = query.where("keys.spki_hash", filter.spkiHash);
  if (filter.unusedSince !== undefined) {
    query = query
      .whereNotNull("certificates.account_id") // our own are used otherwise
      .where("certificates.issued_at", "<", filter.unusedSince)
      .whereRaw(
        "NOT EXISTS (SELECT 1 FROM uses WHERE uses.fingerprint = certificates.fingerprint AND last_at >= ?)",
        filter.unusedSince,
      );
  }
  return query;
}

type EntryRow = Pick<CertificateRow, "serial" | "status" | "status_at" | "reason"> & {
  suspended_at: Integer | null;
};

/** Suspending an account is certificateHold for each of its credentials. */
function revocationOf(row: EntryRow): Revocation {
  const at = number(row.status_at ?? row.suspended_at ?? 0);
  if (row.status !== "revoked") return { at, reason: HOLD };
  const reason = revocationReasons[row.reason ?? "unspecified"];
  return { at, reason: reason === 0 ? undefined : reason };
}

type StandingRow = EntryRow & { fingerprint: Fingerprint; account: Slug | null };

function standingFrom(row: StandingRow): Standing {
  const isGood = row.status === "active" && row.suspended_at === null;
  const { serial, fingerprint, account } = row;
  return {
    serial,
    fingerprint,
    account: optional(account),
    revocation: isGood ? undefined : revocationOf(row),
  };
}

const intentColumns = {
  ...{ issuer_id: "?", serial: "?", account_id: "?", profile: "?", key_id: KEY_ID },
  ...{ not_before: "?", not_after: "?", created_at: "?" },
};

/** An intent's columns. `sqlite-issuance.ts` reads their values in this order. */
export function intentRow(intent: Intent): Record<keyof typeof intentColumns, string | number | null> {
  return {
    issuer_id: intent.issuerId,
    serial: intent.serial,
    account_id: intent.accountId ?? null,
    profile: intent.profile,
    key_id: intent.spkiHash,
    not_before: intent.notBefore,
    not_after: intent.notAfter,
    created_at: intent.createdAt,
  };
}

const certificateColumns = {
  ...{ fingerprint: "?", issuer_id: "?", serial: "?", account_id: "?", profile: "?", scopes: "?" },
  ...{ key_id: KEY_ID, not_before: "?", not_after: "?", issued_at: "?" },
  ...{ status: "?", status_at: "?", reason: "?", limits: "?", der: "?" },
};

/** A new certificate's columns; what is said of a status is not among them. `sqlite-issuance.ts` reads their values in this order, `der` last. */
export function certificateRow(
  certificate: Omit<CertificateRecord, "account" | "keyType">,
): Record<keyof typeof certificateColumns, string | number | Buffer | null> & { der: Buffer } {
  return {
    fingerprint: certificate.fingerprint,
    issuer_id: certificate.issuerId,
    serial: certificate.serial,
    account_id: certificate.accountId ?? null,
    profile: certificate.profile,
    scopes: certificate.scopes ? JSON.stringify(certificate.scopes) : null,
    key_id: certificate.spkiHash,
    not_before: certificate.notBefore,
    not_after: certificate.notAfter,
    issued_at: certificate.issuedAt,
    status: certificate.status,
    status_at: certificate.statusAt ?? null,
    reason: certificate.reason ?? null,
    limits: limitsToText(certificate.limits),
    der: Buffer.from(certificate.der),
  };
}

function fromRow(row: JoinedRow): CertificateRecord {
  return {
    fingerprint: row.fingerprint,
    issuerId: row.issuer_id,
    serial: row.serial,
    accountId: optional(row.account_id),
    account: optional(row.account),
    profile: row.profile,
    scopes: optionalList(row.scopes, parseScope),
    limits: row.limits === null ? undefined : limitsFromText(row.limits),
    spkiHash: row.spki_hash,
    keyType: row.key_type,
    notBefore: number(row.not_before),
    notAfter: number(row.not_after),
    issuedAt: number(row.issued_at),
    status: row.status,
    statusAt: optionalNumber(row.status_at),
    reason: optional(row.reason),
    invalidityAt: optionalNumber(row.invalidity_at),
    statusBy: optional(row.status_by),
    note: optional(row.status_note),
    der: row.der,
  };
}
