import { Refusal } from "../domain/errors.ts";
import type { IssuanceQuestion, IssuanceStanding, IssuanceWrites } from "../domain/issuance.ts";
import { parseScope } from "../domain/names.ts";
import { certificateRow, intentRow } from "./certificate-store.ts";
import { type Integer, number, optional, optionalList, optionalNumber } from "./rows.ts";
import type { Sql } from "./sql.ts";
import { limitsFromText } from "./stored-limits.ts";

/**
 * What `issuance.ts` does with a dozen statements, with two: each is a trip to another thread and back, which takes
 * longer than what it does. The group comes as one JSON text, to a view that this trigger writes to the tables.
 *
 * Instead of a lock that is held from the first to the second, the second fails when any change was made since the
 * first: each mutation counts `sequence` up in its own transaction.
 */
export const ISSUANCE_SCHEMA = `
CREATE TEMP VIEW issuance AS SELECT NULL AS entries;
CREATE TEMP TRIGGER write_issuance INSTEAD OF INSERT ON issuance BEGIN
  SELECT RAISE(ABORT, 'stale') FROM sequence WHERE last <> NEW.entries ->> '$.last';
  INSERT INTO keys (spki_hash, key_type, account_id, seen_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(NEW.entries, '$.keys');
  UPDATE tokens SET csr_hash = given.value ->> 1, used_at = given.value ->> 2, used_from = given.value ->> 3
    FROM jsonb_each(NEW.entries, '$.taken') AS given WHERE tokens.id = given.value ->> 0;
  INSERT INTO intents (issuer_id, serial, account_id, profile, key_id, not_before, not_after, created_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3,
      COALESCE((SELECT id FROM keys WHERE spki_hash = value ->> 4), 0), value ->> 5, value ->> 6, value ->> 7
    FROM jsonb_each(NEW.entries, '$.intents');
  UPDATE tokens SET fingerprint = given.value ->> 1
    FROM jsonb_each(NEW.entries, '$.fulfilled') AS given WHERE tokens.id = given.value ->> 0;
  INSERT INTO certificates (fingerprint, issuer_id, serial, account_id, profile, scopes, key_id,
      not_before, not_after, issued_at, status, status_at, reason, limits, der)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
      COALESCE((SELECT id FROM keys WHERE spki_hash = value ->> 6), 0),
      value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13,
      unhex(value ->> 14)
    FROM jsonb_each(NEW.entries, '$.certificates');
  INSERT INTO renewals (predecessor, csr_hash, line)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(NEW.entries, '$.renewing');
  SELECT RAISE(ABORT, 'a credential was renewed already, or never bound')
    WHERE json_array_length(NEW.entries, '$.renewed') <> (SELECT COUNT(*) FROM renewals WHERE successor IS NULL
      AND predecessor IN (SELECT value ->> 0 FROM jsonb_each(NEW.entries, '$.renewed')));
  UPDATE renewals SET successor = given.value ->> 1, renewed_at = given.value ->> 2, retire_at = given.value ->> 3,
      ends_at = given.value ->> 4
    FROM jsonb_each(NEW.entries, '$.renewed') AS given WHERE renewals.predecessor = given.value ->> 0;
  INSERT INTO changes (sequence, time, actor, action, subject, detail)
    SELECT (NEW.entries ->> '$.last') + 1 + key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM jsonb_each(NEW.entries, '$.changes');
  UPDATE sequence SET last = last + json_array_length(NEW.entries, '$.changes');
END`;

const STANDING = `
SELECT 'token' AS kind, id AS name, csr_hash AS one, fingerprint AS other, expires_at AS at, revoked_at AS ended
  FROM tokens WHERE id IN (SELECT value FROM json_each(?1))
UNION ALL SELECT 'account', id, status, NULL, NULL, NULL
  FROM accounts WHERE id IN (SELECT value FROM json_each(?2))
UNION ALL SELECT 'key', spki_hash, account_id, NULL, NULL, blocked_at
  FROM keys WHERE spki_hash IN (SELECT value FROM json_each(?3))
UNION ALL SELECT 'issuer', id, status, NULL, NULL, NULL
  FROM issuers WHERE id IN (SELECT value FROM json_each(?4))
UNION ALL SELECT 'predecessor', fingerprint, scopes, limits, NULL, status
  FROM certificates WHERE fingerprint IN (SELECT value FROM json_each(?5)) AND account_id IS NOT NULL
UNION ALL SELECT 'renewal', predecessor, csr_hash, successor, NULL, NULL
  FROM renewals WHERE predecessor IN (SELECT value FROM json_each(?5))
UNION ALL SELECT 'sequence', last, NULL, NULL, NULL, NULL FROM sequence`;

interface StandingRow {
  kind: "token" | "account" | "key" | "issuer" | "predecessor" | "renewal" | "sequence";
  name: unknown;
  one: unknown;
  other: unknown;
  at: Integer | null;
  ended: unknown;
}

/** Others change something now and then; not so often that a group would lose against them again and again. */
const ATTEMPTS = 100;

/** Does what `Database.issue` says, on this connection. */
export async function issueOnSqlite<Outcome>(
  sql: Sql,
  question: IssuanceQuestion,
  decide: (standing: IssuanceStanding) => { readonly outcome: Outcome; readonly writes: IssuanceWrites },
): Promise<Outcome> {
  const { tokens, accounts, keys, issuers, predecessors } = question;
  const asked = [tokens, accounts, keys, issuers, predecessors].map((names) => JSON.stringify(names));
  for (let attempt = 1; ; attempt++) {
    const rows = await sql<StandingRow>(STANDING, asked);
    const { outcome, writes } = decide(standingIn(rows));
    if (writes.changes.length === 0) return outcome;
    try {
      await sql("INSERT INTO issuance VALUES (?)", [encode(writes, sequenceIn(rows))]);
      return outcome;
    } catch (error) {
      if (!(error instanceof Error && error.message.endsWith(": stale"))) throw error;
      if (attempt === ATTEMPTS)
        throw new Refusal("UNAVAILABLE", undefined, "others changed too much meanwhile");
    }
  }
}

function standingIn(rows: readonly StandingRow[]): IssuanceStanding {
  const of = (kind: StandingRow["kind"]): StandingRow[] => rows.filter((row) => row.kind === kind);
  type Standing = IssuanceStanding;
  return {
    tokens: of("token").map(({ name, one, other, at, ended }) => ({
      id: name as string,
      csrHash: optional(one) as Standing["tokens"][number]["csrHash"],
      fingerprint: optional(other) as Standing["tokens"][number]["fingerprint"],
      expiresAt: number(at ?? 0),
      revokedAt: optionalNumber(ended as Integer | null),
    })),
    accounts: of("account").map(({ name, one }) => ({
      id: name as number,
      status: one as Standing["accounts"][number]["status"],
    })),
    keys: of("key").map(({ name, one, ended }) => ({
      spkiHash: name as Standing["keys"][number]["spkiHash"],
      accountId: optional(one) as number | undefined,
      blockedAt: optionalNumber(ended as Integer | null),
    })),
    issuers: of("issuer").map(({ name, one }) => ({
      id: name as Standing["issuers"][number]["id"],
      status: one as Standing["issuers"][number]["status"],
    })),
    predecessors: of("predecessor").map(({ name, one, other, ended }) => ({
      fingerprint: name as Standing["predecessors"][number]["fingerprint"],
      scopes: optionalList(one as string | null, parseScope),
      limits: other === null ? undefined : limitsFromText(other as string),
      status: ended as Standing["predecessors"][number]["status"],
    })),
    renewals: of("renewal").map(({ name, one, other }) => ({
      predecessor: name as Standing["renewals"][number]["predecessor"],
      csrHash: one as string,
      successor: optional(other) as Standing["renewals"][number]["successor"],
    })),
  };
}

function sequenceIn(rows: readonly StandingRow[]): number {
  return number(rows.find(({ kind }) => kind === "sequence")?.name as Integer);
}

function encode(writes: IssuanceWrites, last: number): string {
  return JSON.stringify({
    last,
    keys: writes.firstSeen.map(({ spkiHash, keyType, accountId, seenAt }) => {
      return [spkiHash, keyType, accountId ?? null, seenAt];
    }),
    taken: writes.taken.map(({ id, csrHash, address }) => [id, csrHash, writes.at, address ?? null]),
    intents: writes.intents.map((intent) => Object.values(intentRow(intent))),
    fulfilled: writes.fulfilled.map(({ id, fingerprint }) => [id, fingerprint]),
    certificates: writes.certificates.map((certificate) => {
      const { der, ...row } = certificateRow(certificate);
      return [...Object.values(row), der.toString("hex")];
    }),
    renewing: writes.renewing.map(({ predecessor, csrHash, line }) => [predecessor, csrHash, line]),
    renewed: writes.renewed.map(({ predecessor, successor, renewedAt, retireAt, endsAt }) => {
      return [predecessor, successor, renewedAt, retireAt, endsAt];
    }),
    changes: writes.changes.map(({ time, actor, action, subject, detail }) => {
      return [time, actor, action, subject, JSON.stringify(detail)];
    }),
  });
}
