import type { Knex } from "knex";
import type { Fingerprint, IssuerId, Serial, SpkiHash } from "../domain/identifiers.ts";
import { type Slug, parseScope } from "../domain/names.ts";
import type { CertificateFilter, CertificateStore } from "../domain/ports.ts";
import type { CertificateRecord, CertificateStatus, CrlEntry } from "../domain/records.ts";
import { HOLD, type RevocationReason, revocationReasons } from "../domain/revocation.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";

interface CertificateRow {
  fingerprint: Fingerprint;
  issuer_id: IssuerId;
  serial: Serial;
  account_id: number | null;
  profile: Slug;
  scopes: string | null;
  spki_hash: SpkiHash;
  not_before: Integer;
  not_after: Integer;
  issued_at: Integer;
  status: CertificateStatus;
  status_at: Integer | null;
  reason: RevocationReason | null;
  der: Uint8Array;
}

type JoinedRow = CertificateRow & { account: Slug | null };

const PAGE = 2000;
/** Below SQLite's limit on bound values. */
const CHUNK = 500;

export function certificateStore(db: Knex): CertificateStore {
  const certificates = () => db<CertificateRow>("certificates");
  const joined = () =>
    db("certificates")
      .leftJoin("accounts", "accounts.id", "certificates.account_id")
      .select("certificates.*", "accounts.slug as account") as Knex.QueryBuilder<object, JoinedRow[]>;
  const byFingerprints: CertificateStore["byFingerprints"] = async (fingerprints) => {
    const found: CertificateRecord[] = [];
    for (let start = 0; start < fingerprints.length; start += CHUNK) {
      const rows = await joined().whereIn("fingerprint", fingerprints.slice(start, start + CHUNK));
      found.push(...rows.map(fromRow));
    }
    return found;
  };
  return {
    async intend(intent) {
      await db("intents").insert({
        issuer_id: intent.issuerId,
        serial: intent.serial,
        account_id: intent.accountId ?? null,
        profile: intent.profile,
        spki_hash: intent.spkiHash,
        not_before: intent.notBefore,
        not_after: intent.notAfter,
        created_at: intent.createdAt,
      });
    },
    async insert(certificate) {
      await certificates().insert(toRow(certificate));
    },
    byFingerprints,
    byFingerprint: async (fingerprint) => (await byFingerprints([fingerprint]))[0],
    bySerial: async (serial) => (await joined().where("certificates.serial", serial)).map(fromRow),
    list: async (filter) => (await filtered(joined(), filter).orderBy("certificates.issued_at")).map(fromRow),
    async keyUsedByAnother(spkiHash, accountId) {
      const row: unknown = await db("intents")
        .where({ spki_hash: spkiHash })
        .where((query) => {
          void query.whereNot({ account_id: accountId }).orWhereNull("account_id");
        })
        .first("serial");
      return row !== undefined;
    },
    async keyCompromised(spkiHash) {
      const row = await certificates()
        .where({ spki_hash: spkiHash, reason: "keyCompromise" })
        .first("serial");
      return row !== undefined;
    },
    async setStatus(fingerprint, status, at, reason) {
      await certificates()
        .where({ fingerprint })
        .update({ status, status_at: at ?? null, reason: reason ?? null });
    },
    crlEntries: (issuer, expiredBefore) => crlEntries(db, issuer, expiredBefore),
    async *live(now) {
      let last = "";
      for (;;) {
        const rows = await joined()
          .whereNotNull("account_id")
          .where("not_after", ">=", now)
          .where("fingerprint", ">", last)
          .orderBy("fingerprint")
          .limit(PAGE);
        const end = rows.at(-1);
        if (!end) return;
        last = end.fingerprint;
        yield rows.map(fromRow);
      }
    },
  };
}

function filtered(
  query: Knex.QueryBuilder<object, JoinedRow[]>,
  filter: CertificateFilter,
): Knex.QueryBuilder<object, JoinedRow[]> {
  if (filter.account !== undefined) query = query.where("accounts.slug", filter.account);
  if (filter.status !== undefined) query = query.where("certificates.status", filter.status);
  if (filter.expiringBefore !== undefined) query = query.where("not_after", "<", filter.expiringBefore);
  return query;
}

/** Suspending an account is certificateHold for each of its credentials (DESIGN §6). */
async function crlEntries(db: Knex, issuer: IssuerId, expiredBefore: number): Promise<CrlEntry[]> {
  type EntryRow = Pick<CertificateRow, "serial" | "status" | "status_at" | "reason"> & {
    suspended_at: Integer | null;
  };
  const rows = await db("certificates")
    .leftJoin("accounts", "accounts.id", "certificates.account_id")
    .select<EntryRow[]>("serial", "certificates.status", "status_at", "reason", "suspended_at")
    .where("issuer_id", issuer)
    .where("not_after", ">=", expiredBefore)
    .where((query) => {
      void query.whereNot("certificates.status", "active").orWhere("accounts.status", "suspended");
    })
    .orderByRaw("coalesce(status_at, suspended_at), serial");
  return rows.map((row) => {
    const at = number(row.status_at ?? row.suspended_at ?? 0);
    if (row.status !== "revoked") return { serial: row.serial, at, reason: HOLD };
    const reason = revocationReasons[row.reason ?? "unspecified"];
    return { serial: row.serial, at, reason: reason === 0 ? undefined : reason };
  });
}

function toRow(certificate: Omit<CertificateRecord, "account">): CertificateRow {
  return {
    fingerprint: certificate.fingerprint,
    issuer_id: certificate.issuerId,
    serial: certificate.serial,
    account_id: certificate.accountId ?? null,
    profile: certificate.profile,
    scopes: certificate.scopes ? JSON.stringify(certificate.scopes) : null,
    spki_hash: certificate.spkiHash,
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
    notBefore: number(row.not_before),
    notAfter: number(row.not_after),
    issuedAt: number(row.issued_at),
    status: row.status,
    statusAt: optionalNumber(row.status_at),
    reason: optional(row.reason),
    der: row.der,
  };
}
