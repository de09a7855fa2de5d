import type { Knex } from "knex";
import type { IssuerId, SpkiHash } from "../domain/identifiers.ts";
import type { IssuerStore } from "../domain/ports.ts";
import type { IssuerRecord } from "../domain/records.ts";

interface IssuerRow {
  id: IssuerId;
  role: IssuerRecord["role"];
  spki_hash: SpkiHash;
  der: Uint8Array;
}

export function issuerStore(db: Knex): IssuerStore {
  const issuers = () => db<IssuerRow>("issuers");
  return {
    async insert({ id, role, spkiHash, der }) {
      await issuers().insert({ id, role, spki_hash: spkiHash, der: Buffer.from(der) });
    },
    async list() {
      const rows: IssuerRow[] = await issuers().orderBy("id");
      return rows.map(({ id, role, spki_hash, der }) => ({ id, role, spkiHash: spki_hash, der }));
    },
  };
}
