import type { ErrorCode } from "../domain/errors.ts";
import type { CertificateId, Fingerprint, Serial } from "../domain/identifiers.ts";
import type { CredentialGroup, Database, Stores } from "../domain/ports.ts";
import type { CertificateRecord, CertificateStatus } from "../domain/records.ts";
import { type RevocationReason, transitionFault } from "../domain/revocation.ts";
import {
  type Applied,
  type Consequences,
  type Particulars,
  revokeEach,
  setStatusOfEach,
} from "./change-status.ts";
import type { Mutation } from "./record-change.ts";

/** What is to become of certificates. */
export type Aim =
  | ({ readonly status: "revoked"; readonly reason: RevocationReason } & Particulars)
  | { readonly status: "suspended" | "active"; readonly note?: string | undefined };

/** How many share a transaction: enough that the disk is not waited for, few enough that others get their turn. */
export const CHUNK = 500;

export interface GroupChange extends Applied {
  /** How many of the group were changed. */
  readonly changed: number;
  /** How many outside it ended along with them, for a key that is compromised. */
  readonly others: number;
  /** How many that came of them by renewal were suspended, for a key that is compromised. */
  readonly suspended: number;
}

const comesFrom: Readonly<Record<CertificateStatus, readonly CertificateStatus[]>> = {
  active: ["suspended"],
  suspended: ["active"],
  revoked: ["active", "suspended"],
};

/**
 * Changes every credential of a group that has not ended by itself, in transactions of a chunk each, until none is left:
 * what is issued meanwhile is met as well.
 *
 * @returns `undefined` when there was none.
 */
export async function changeGroup(
  database: Database,
  mutation: Mutation,
  group: CredentialGroup,
  aim: Aim,
): Promise<GroupChange | undefined> {
  let total: Omit<GroupChange, "suspended"> | undefined;
  const suspended = new Set<Fingerprint>();
  let [after, changedInPass]: [Serial | undefined, number] = [undefined, 0];
  for (;;) {
    const page = { now: mutation.clock.now(), after, limit: CHUNK };
    const done = await database.transaction(async (stores) => {
      const found = await stores.certificates.inGroup(group, comesFrom[aim.status], page);
      if (found.length === 0) return undefined;
      return { found, ...(await carryOut(stores, mutation, found, aim)) };
    });
    if (done) {
      const { found, others, first, last } = done;
      for (const one of done.suspended) suspended.add(one.fingerprint);
      // What was suspended along with others may be of the group itself.
      for (const one of [...found, ...others]) suspended.delete(one.fingerprint);
      after = found.at(-1)?.serial;
      changedInPass += found.length;
      const { changed, others: before, first: start } = total ?? { changed: 0, others: 0, first };
      total = { changed: changed + found.length, others: before + others.length, first: start, last };
    } else {
      if (changedInPass === 0) return total && { ...total, suspended: suspended.size };
      [after, changedInPass] = [undefined, 0];
    }
  }
}

/** One thing to be done, and to which certificate. */
export interface Order {
  readonly id: CertificateId;
  /** Orders with the same object here are carried out together. */
  readonly aim: Aim;
}

export type Outcome = "DONE" | ErrorCode;

export interface OrdersCarriedOut {
  /** One for each order. */
  readonly outcomes: readonly Outcome[];
  /** How many ended along with them, for a key that is compromised. */
  readonly others: number;
  /** How many that came of them by renewal were suspended. */
  readonly suspended: number;
  /** `undefined` when nothing was changed. */
  readonly applied: Applied | undefined;
}

/**
 * Carries out orders in one transaction, in their order, each wholly or not at all: one that can't be carried out leaves
 * the others as they are.
 */
export function carryOutOrders(
  database: Database,
  mutation: Mutation,
  orders: readonly Order[],
): Promise<OrdersCarriedOut> {
  return database.transaction(async (stores) => {
    const known = await findAll(stores, orders);
    const states = new Map<Fingerprint, CertificateStatus>();
    const outcomes: Outcome[] = [];
    let applied = undefined as Applied | undefined;
    let others = 0;
    const suspended = new Set<Fingerprint>();
    // Those in a row with the same aim share statements: all that is read of the ones before is their new status.
    let row: CertificateRecord[] = [];
    for (const [index, { id, aim }] of orders.entries()) {
      const found = known(id);
      const outcome = outcomeFor(found, states, aim.status);
      outcomes.push(outcome);
      if (outcome === "DONE" && found[0]) {
        row.push(found[0]);
        states.set(found[0].fingerprint, aim.status);
      }
      if (row.length === 0 || orders[index + 1]?.aim === aim) continue;
      const done = await carryOut(stores, mutation, row, aim);
      for (const { fingerprint } of done.others) states.set(fingerprint, aim.status);
      for (const { fingerprint } of done.suspended) {
        states.set(fingerprint, "suspended");
        suspended.add(fingerprint);
      }
      applied = { first: applied?.first ?? done.first, last: done.last };
      others += done.others.length;
      row = [];
    }
    const isStill = (fingerprint: Fingerprint): boolean => states.get(fingerprint) === "suspended";
    return { outcomes, others, suspended: [...suspended].filter(isStill).length, applied };
  });
}

async function carryOut(
  stores: Stores,
  mutation: Mutation,
  certificates: readonly CertificateRecord[],
  aim: Aim,
): Promise<Applied & Consequences> {
  if (aim.status === "revoked") return revokeEach(stores, mutation, certificates, aim);
  const applied = await setStatusOfEach(stores, mutation, certificates, aim.status, aim);
  return { ...applied, others: [], suspended: [] };
}

function outcomeFor(
  found: readonly CertificateRecord[],
  states: ReadonlyMap<Fingerprint, CertificateStatus>,
  to: CertificateStatus,
): Outcome {
  const [certificate] = found;
  if (!certificate) return "NOT_FOUND";
  if (found.length > 1) return "ID_AMBIGUOUS";
  return transitionFault(states.get(certificate.fingerprint) ?? certificate.status, to) ?? "DONE";
}

/** Looks up what all orders name; returns what one of their ids names. */
async function findAll(
  stores: Stores,
  orders: readonly Order[],
): Promise<(id: CertificateId) => readonly CertificateRecord[]> {
  const ids = orders.map(({ id }) => id);
  const { certificates } = stores;
  const byName = new Map<Fingerprint | Serial, CertificateRecord[]>();
  const byFingerprint = await certificates.byFingerprints(
    ids.flatMap((id) => ("fingerprint" in id ? [id.fingerprint] : [])),
  );
  for (const found of byFingerprint) byName.set(found.fingerprint, [found]);
  const bySerial = await certificates.bySerials(ids.flatMap((id) => ("serial" in id ? [id.serial] : [])));
  for (const found of bySerial) {
    byName.set(found.serial, [...(byName.get(found.serial) ?? []), found]);
  }
  return (id) => byName.get("fingerprint" in id ? id.fingerprint : id.serial) ?? [];
}
