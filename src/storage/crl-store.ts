import type { Knex } from "knex";
import { Refusal } from "../domain/errors.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { CrlStore } from "../domain/crl.ts";
import type { CrlHead, CrlPoint } from "../domain/records.ts";
import { type Integer, number } from "./rows.ts";
import type { Sql } from "./sql.ts";

type PointName = "scheduled" | "base";
type PointColumns = Record<`${PointName}_${keyof CrlPoint}`, Integer | null>;

interface HeadRow extends PointColumns {
  issuer_id: IssuerId;
  number: Integer;
  this_update: Integer;
  next_update: Integer;
  basis: Integer;
  staging: string | null;
}

interface CrlRow extends HeadRow {
  der: Buffer;
  delta: Buffer | null;
}

const HEAD = `issuer_id, number, this_update, next_update, basis, staging,
  scheduled_number, scheduled_at, scheduled_basis, scheduled_floor,
  base_number, base_at, base_basis, base_floor`;

export function crlStore(db: Knex, sql: Sql): CrlStore {
  const crls = () => db<CrlRow>("crls");
  const newest = async <Row extends HeadRow>(columns: string, issuer: IssuerId): Promise<Row | undefined> => {
    const text = `SELECT ${columns} FROM crls WHERE issuer_id = ? ORDER BY number DESC LIMIT 1`;
    return (await sql<Row>(text, [issuer]))[0];
  };
  const head: CrlStore["head"] = async (issuer) => {
    const row = await newest(HEAD, issuer);
    return row && headFrom(row);
  };
  return {
    async replace(crl, staging) {
      const before = await head(crl.issuerId);
      if (before && before.number >= crl.number) throw new Error("a CRL's number was used before");
      await crls().insert({
        issuer_id: crl.issuerId,
        number: crl.number,
        this_update: crl.thisUpdate,
        next_update: crl.nextUpdate,
        basis: crl.basis,
        staging: staging ?? null,
        der: staging === undefined ? Buffer.from(crl.der) : Buffer.alloc(0),
        delta: crl.delta ? Buffer.from(crl.delta) : null,
        ...pointColumns("scheduled", crl.scheduled),
        ...pointColumns("base", crl.base),
      });
      await crls().where({ issuer_id: crl.issuerId }).where("number", "<", crl.number).delete();
    },
    async stage({ issuerId, number: own }, staging, position, octets) {
      const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
      const text =
        "INSERT INTO crl_chunks (issuer_id, number, staging, position, octets) VALUES (?, ?, ?, ?, ?)";
      await sql(text, [issuerId, own, staging, position, bytes]);
    },
    async unstage(issuer) {
      const latest = "SELECT staging FROM crls WHERE issuer_id = ? AND staging IS NOT NULL";
      const text = `SELECT staging, position FROM crl_chunks
        WHERE issuer_id = ? AND number <= (SELECT max(number) FROM crls WHERE issuer_id = ?)
          AND staging NOT IN (${latest}) LIMIT 1`;
      const [found] = await sql<{ staging: string; position: number }>(text, [issuer, issuer, issuer]);
      if (!found) return false;
      const { staging, position } = found;
      await sql("DELETE FROM crl_chunks WHERE staging = ? AND position = ?", [staging, position]);
      return true;
    },
    async raise(issuer, above) {
      const before = await head(issuer);
      if (!before) return;
      await crls()
        .where({ issuer_id: issuer, number: before.number })
        .update({
          number: Math.max(before.number, above),
          ...pointColumns("scheduled", undefined),
          ...pointColumns("base", undefined),
        });
    },
    head,
    async latest(issuer) {
      let lacking: string | undefined;
      for (;;) {
        const row = await newest<CrlRow>("*", issuer);
        if (!row) return undefined;
        const der = row.staging === null ? row.der : await staged(sql, row.staging);
        if (der) return { ...headFrom(row), der, delta: row.delta ?? undefined };
        if (row.staging === lacking) throw damaged(row);
        // Another one may have taken its place while its pieces were read.
        lacking = row.staging ?? undefined;
      }
    },
  };
}

function damaged(row: HeadRow): Refusal {
  const named = `CRL ${String(number(row.number))} of ${row.issuer_id}`;
  const remedy = "'countersign crl publish' makes the next one.";
  return new Refusal("CRL_INVALID", `${named} is damaged: octets are missing in the database. ${remedy}`);
}

/** The pieces put together one by one; `undefined` when they are not all there, or no longer. */
async function staged(sql: Sql, staging: string): Promise<Buffer | undefined> {
  const lengths = "SELECT count(*) AS pieces, sum(length(octets)) AS total FROM crl_chunks WHERE staging = ?";
  const [size] = await sql<{ pieces: Integer; total: Integer | null }>(lengths, [staging]);
  const pieces = number(size?.pieces ?? 0);
  const whole = Buffer.allocUnsafeSlow(number(size?.total ?? 0));
  let offset = 0;
  for (let position = 0; position < pieces; position += 1) {
    const text = "SELECT octets FROM crl_chunks WHERE staging = ? AND position = ?";
    const [piece] = await sql<{ octets: Buffer }>(text, [staging, position]);
    if (!piece) return undefined;
    offset += piece.octets.copy(whole, offset);
  }
  return offset === whole.length && isWhole(whole) ? whole : undefined;
}

/** Whether a DER value is as long as it says, in the long form, for it is large (X.690 §8.1.3.5): the last piece may lack. */
function isWhole(der: Buffer): boolean {
  const octets = (der[1] ?? 0) - 0x80;
  return octets > 0 && octets <= 4 && der.length > 6 && 2 + octets + der.readUIntBE(2, octets) === der.length;
}

function pointColumns(name: PointName, point: CrlPoint | undefined): Partial<PointColumns> {
  return {
    [`${name}_number`]: point?.number ?? null,
    [`${name}_at`]: point?.at ?? null,
    [`${name}_basis`]: point?.basis ?? null,
    [`${name}_floor`]: point?.floor ?? null,
  };
}

function pointFrom(row: PointColumns, name: PointName): CrlPoint | undefined {
  const [own, at] = [row[`${name}_number`], row[`${name}_at`]];
  const [basis, floor] = [row[`${name}_basis`], row[`${name}_floor`]];
  if (own === null || at === null || basis === null || floor === null) return undefined;
  return { number: number(own), at: number(at), basis: number(basis), floor: number(floor) };
}

function headFrom(row: HeadRow): CrlHead {
  return {
    issuerId: row.issuer_id,
    number: number(row.number),
    thisUpdate: number(row.this_update),
    nextUpdate: number(row.next_update),
    basis: number(row.basis),
    scheduled: pointFrom(row, "scheduled"),
    base: pointFrom(row, "base"),
  };
}
