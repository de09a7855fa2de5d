import type { Knex } from "knex";
import type { IssuerId } from "../domain/identifiers.ts";
import type { CrlStore } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { type Integer, number } from "./rows.ts";

interface CrlRow {
  issuer_id: IssuerId;
  number: Integer;
  this_update: Integer;
  next_update: Integer;
  basis: Integer;
  der: Uint8Array;
}

export function crlStore(db: Knex): CrlStore {
  const crls = () => db<CrlRow>("crls");
  const latest: CrlStore["latest"] = async (issuer) => {
    const row: CrlRow | undefined = await crls()
      .where({ issuer_id: issuer })
      .orderBy("number", "desc")
      .first();
    return row ? fromRow(row) : undefined;
  };
  return {
    async replace(crl) {
      const before = await latest(crl.issuerId);
      if (before && before.number >= crl.number) throw new Error("a CRL's number was used before");
      await crls().insert({
        issuer_id: crl.issuerId,
        number: crl.number,
        this_update: crl.thisUpdate,
        next_update: crl.nextUpdate,
        basis: crl.basis,
        der: Buffer.from(crl.der),
      });
      await crls().where({ issuer_id: crl.issuerId }).where("number", "<", crl.number).delete();
    },
    latest,
  };
}

function fromRow(row: CrlRow): CrlRecord {
  return {
    issuerId: row.issuer_id,
    number: number(row.number),
    thisUpdate: number(row.this_update),
    nextUpdate: number(row.next_update),
    basis: number(row.basis),
    der: row.der,
  };
}
