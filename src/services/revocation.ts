import { Refusal } from "../domain/errors.ts";
import type { CertificateId } from "../domain/identifiers.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import { type RevocationReason, transitionFault } from "../domain/revocation.ts";
import {
  type Consequences,
  type Particulars,
  activeSuccessors,
  revokeEach,
  setStatusOfEach,
} from "./change-status.ts";
import { findCertificate } from "./find-certificate.ts";
import type { Mutation } from "./record-change.ts";

export interface StatusChange {
  /** As it was before. */
  readonly certificate: CertificateRecord;
  readonly sequence: number;
  /** What came of it by renewal, and is active still. */
  readonly successors: readonly CertificateRecord[];
}

export interface Revocation extends StatusChange, Consequences {
  /** The first of the changes, of which `sequence` is the last. */
  readonly first: number;
}

/**
 * Ends a certificate for good.
 *
 * @param requireMore looks at how it stands, in the same transaction; what it throws ends that
 * @throws Refusal NOT_FOUND, ID_AMBIGUOUS, ALREADY_REVOKED.
 */
export async function revoke(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  reason: RevocationReason,
  particulars: Particulars = {},
  requireMore?: (stores: Stores, certificate: CertificateRecord) => Promise<void>,
): Promise<Revocation> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    requireTransition(certificate, "revoked");
    await requireMore?.(stores, certificate);
    const cause = { ...particulars, reason };
    const { last, ...done } = await revokeEach(stores, mutation, [certificate], cause);
    const successors = await activeSuccessors(stores, mutation, [certificate]);
    return { certificate, successors, ...done, sequence: last };
  });
}

/** Denies a certificate's calls until it is resumed. Throws NOT_FOUND, ID_AMBIGUOUS, ALREADY_REVOKED, STATE_UNCHANGED. */
export function suspend(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  particulars: Pick<Particulars, "note"> = {},
): Promise<StatusChange> {
  return hold(database, mutation, id, "suspended", particulars);
}

/** Throws NOT_FOUND, ID_AMBIGUOUS, ALREADY_REVOKED, STATE_UNCHANGED. */
export function resume(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  particulars: Pick<Particulars, "note"> = {},
): Promise<StatusChange> {
  return hold(database, mutation, id, "active", particulars);
}

async function hold(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  status: "active" | "suspended",
  particulars: Pick<Particulars, "note">,
): Promise<StatusChange> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    requireTransition(certificate, status);
    const { last } = await setStatusOfEach(stores, mutation, [certificate], status, particulars);
    const successors = await activeSuccessors(stores, mutation, [certificate]);
    return { certificate, successors, sequence: last };
  });
}

function requireTransition({ status, reason }: CertificateRecord, to: CertificateRecord["status"]): void {
  const fault = transitionFault(status, to);
  if (fault === "STATE_UNCHANGED") throw new Refusal(fault, `The certificate is ${status} already.`);
  if (fault) throw new Refusal(fault, `It was revoked before, as ${String(reason)}. Nothing was changed.`);
}
