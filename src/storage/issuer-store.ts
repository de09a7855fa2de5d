import type { Knex } from "knex";
import type { IssuerId, SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import type { Slug } from "../domain/names.ts";
import type { IssuerStore } from "../domain/ports.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { type Integer, number } from "./rows.ts";

interface IssuerRow {
  id: IssuerId;
  name: Slug;
  role: IssuerRecord["role"];
  status: IssuerRecord["status"];
  key_type: KeyType;
  spki_hash: SpkiHash;
  not_before: Integer;
  not_after: Integer;
  der: Uint8Array;
}

export function issuerStore(db: Knex): IssuerStore {
  const issuers = () => db<IssuerRow>("issuers");
  return {
    async insert(issuer) {
      await issuers().insert({
        id: issuer.id,
        name: issuer.name,
        role: issuer.role,
        status: issuer.status,
        key_type: issuer.keyType,
        spki_hash: issuer.spkiHash,
        not_before: issuer.notBefore,
        not_after: issuer.notAfter,
        der: Buffer.from(issuer.der),
      });
    },
    list: async () => (await issuers().whereNot({ role: "foreign" }).orderBy("name")).map(fromRow),
    foreign: async () => (await issuers().where({ role: "foreign" })).map(fromRow),
    async retire(id) {
      await issuers().where({ id }).update({ status: "retired" });
    },
  };
}

function fromRow(row: IssuerRow): IssuerRecord {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    status: row.status,
    keyType: row.key_type,
    spkiHash: row.spki_hash,
    notBefore: number(row.not_before),
    notAfter: number(row.not_after),
    der: row.der,
  };
}
