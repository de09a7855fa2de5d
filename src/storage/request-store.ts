import type { Knex } from "knex";
import type { SpkiHash } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import type { Slug } from "../domain/names.ts";
import { groupsBeside } from "../domain/network.ts";
import type { RequestDecision, RequestRecord, RequestStore } from "../domain/request.ts";
import { type Integer, number, optional, optionalNumber } from "./rows.ts";

interface RequestRow {
  id: string;
  csr_hash: string;
  spki_hash: SpkiHash;
  key_type: KeyType;
  address: string;
  address_group: string;
  profile: Slug | null;
  created_at: Integer;
  expires_at: Integer;
  status: RequestRecord["status"];
  decided_at: Integer | null;
  decided_by: string | null;
  note: string | null;
  account: Slug | null;
  token_id: string | null;
}

export function requestStore(db: Knex): RequestStore {
  const requests = () => db<RequestRow>("requests");
  const count = async (query: Knex.QueryBuilder): Promise<number> => {
    const [row] = await query.count<{ count: Integer }[]>({ count: "*" });
    return number(row?.count ?? 0);
  };
  return {
    async insert(request) {
      await requests().insert({
        id: request.id,
        csr_hash: request.csrHash,
        spki_hash: request.spkiHash,
        key_type: request.keyType,
        address: request.address,
        address_group: request.addressGroup,
        profile: request.profile ?? null,
        created_at: request.createdAt,
        ...decisionRow(request),
      });
    },
    async byCsrHash(csrHash) {
      const row = await requests().where({ csr_hash: csrHash }).first();
      return row && fromRow(row);
    },
    async byKey(spkiHash) {
      const rows: RequestRow[] = await requests().where({ spki_hash: spkiHash }).orderBy("created_at");
      return rows.map(fromRow);
    },
    async list() {
      const rows: RequestRow[] = await requests().orderBy("created_at").orderBy("id");
      return rows.map(fromRow);
    },
    async pending(addressGroup, now) {
      const pending = () => requests().where({ status: "pending" }).where("expires_at", ">", now);
      return {
        ofAddress: await count(pending().where({ address_group: addressGroup })),
        ofNetwork: await count(pending().whereIn("address_group", groupsBeside(addressGroup))),
        inAll: await count(pending()),
      };
    },
    async decide(id, decision) {
      await requests().where({ id }).update(decisionRow(decision));
    },
    async deleteEnded(now) {
      await requests().where("expires_at", "<=", now).delete();
    },
    deleteOpen: () => requests().whereNot({ status: "denied" }).delete(),
  };
}

function decisionRow(decision: RequestDecision) {
  return {
    expires_at: decision.expiresAt,
    status: decision.status,
    decided_at: decision.decidedAt ?? null,
    decided_by: decision.decidedBy ?? null,
    note: decision.note ?? null,
    account: decision.account ?? null,
    token_id: decision.tokenId ?? null,
  };
}

function fromRow(row: RequestRow): RequestRecord {
  return {
    id: row.id,
    csrHash: row.csr_hash,
    spkiHash: row.spki_hash,
    keyType: row.key_type,
    address: row.address,
    addressGroup: row.address_group,
    profile: optional(row.profile),
    createdAt: number(row.created_at),
    expiresAt: number(row.expires_at),
    status: row.status,
    decidedAt: optionalNumber(row.decided_at),
    decidedBy: optional(row.decided_by),
    note: optional(row.note),
    account: optional(row.account),
    tokenId: optional(row.token_id),
  };
}
