import type { Knex } from "knex";
import type { Fingerprint, IssuerId, Serial, SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { CertificateFilter, CertificateStore } from "../domain/ports.ts";
import type { CertificateRecord, CertificateStatus, CredentialRecord, Intent } from "../domain/records.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import { crlPages } from "./crl-pages.ts";
import { KEY_ID } from "./key-store.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";
import { type Sql, inChunks, insertRows } from "./sql.ts";

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
  der: Uint8Array;
}

type JoinedRow = CertificateRow & { account: Slug | null; spki_hash: SpkiHash; key_type: KeyType };

const PAGE = 2000;
/** Below SQLite's limit on bound values. */
const CHUNK = 500;

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
  const byFingerprints: CertificateStore["byFingerprints"] = async (fingerprints) => {
    const found: CertificateRecord[] = [];
    for (let start = 0; start < fingerprints.length; start += CHUNK) {
      const rows = await joined().whereIn("fingerprint", fingerprints.slice(start, start + CHUNK));
      found.push(...rows.map(fromRow));
    }
    return found;
  };
  return {
    intend: (intents) => insertRows(sql, "intents", intentColumns, intents.map(intentRow)),
    insert: (records) => insertRows(sql, "certificates", certificateColumns, records.map(certificateRow)),
    byFingerprints,
    byFingerprint: async (fingerprint) => (await byFingerprints([fingerprint]))[0],
    // By the index on issuer and serial: there are few issuers.
    bySerial: async (serial) =>
      (
        await joined()
          .whereIn("certificates.issuer_id", db("issuers").select("id"))
          .where("certificates.serial", serial)
      ).map(fromRow),
    list: async (filter) => (await filtered(joined(), filter).orderBy("certificates.issued_at")).map(fromRow),
    async setStatus(fingerprint, status, at, reason) {
      await certificates()
        .where({ fingerprint })
        .update({ status, status_at: at ?? null, reason: reason ?? null });
    },
    crlPages: crlPages(sql),
    credentials: (fingerprints) =>
      inChunks(fingerprints, async (list, chunk) => {
        const text = `SELECT ${CREDENTIAL} FROM certificates
          WHERE fingerprint IN (${list}) AND account_id IS NOT NULL`;
        return (await sql<CredentialRow>(text, chunk)).map(credentialFrom);
      }),
    async *live(now) {
      let last = "";
      for (;;) {
        const text = `SELECT ${CREDENTIAL} FROM certificates
          WHERE fingerprint > ? AND account_id IS NOT NULL AND not_after >= ? ORDER BY fingerprint LIMIT ?`;
        const rows = await sql<CredentialRow>(text, [last, now, PAGE]);
        const end = rows.at(-1);
        if (!end) return;
        last = end.fingerprint;
        yield rows.map(credentialFrom);
      }
    },
  };
}

const CREDENTIAL = "fingerprint, issuer_id, serial, account_id, not_before, not_after, scopes, status";

type CredentialRow = Pick<
  CertificateRow,
  ("fingerprint" | "issuer_id" | "serial" | "account_id") | ("not_before" | "not_after" | "scopes" | "status")
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
  return query;
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
  ...{ status: "?", status_at: "?", reason: "?", der: "?" },
};

/** A certificate's columns. `sqlite-issuance.ts` reads their values in this order, `der` last. */
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
    spkiHash: row.spki_hash,
    keyType: row.key_type,
    notBefore: number(row.not_before),
    notAfter: number(row.not_after),
    issuedAt: number(row.issued_at),
    status: row.status,
    statusAt: optionalNumber(row.status_at),
    reason: optional(row.reason),
    der: row.der,
  };
}
