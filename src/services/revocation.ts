import { Refusal } from "../domain/errors.ts";
import type { CertificateId } from "../domain/identifiers.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import { findCertificate } from "./find-certificate.ts";
import { type Mutation, recordChange } from "./record-change.ts";

export interface StatusChange {
  /** As it was before. */
  readonly certificate: CertificateRecord;
  readonly sequence: number;
}

/** Ends a certificate for good. Throws NOT_FOUND, ID_AMBIGUOUS, ALREADY_REVOKED. */
export async function revoke(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  reason: RevocationReason,
): Promise<StatusChange> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    if (certificate.status === "revoked") throw new Refusal("ALREADY_REVOKED");
    // Whoever has a copy of the key would be back with the next certificate, which is public.
    if (reason === "keyCompromise") await stores.keys.block(certificate, mutation.clock.now(), reason);
    return { certificate, sequence: await setRevoked(stores, mutation, certificate, reason) };
  });
}

/** Within a transaction; returns the change's sequence number. */
export async function setRevoked(
  stores: Stores,
  mutation: Mutation,
  { fingerprint, account }: CertificateRecord,
  reason: RevocationReason,
): Promise<number> {
  await stores.certificates.setStatus(fingerprint, "revoked", mutation.clock.now(), reason);
  return recordChange(stores, mutation, "certificate.revoke", fingerprint, { account, reason });
}

/** Denies a certificate's calls until it is resumed. Throws NOT_FOUND, ALREADY_REVOKED, STATE_UNCHANGED. */
export function suspend(database: Database, mutation: Mutation, id: CertificateId): Promise<StatusChange> {
  return hold(database, mutation, id, "suspended");
}

/** Throws NOT_FOUND, ALREADY_REVOKED, STATE_UNCHANGED. */
export function resume(database: Database, mutation: Mutation, id: CertificateId): Promise<StatusChange> {
  return hold(database, mutation, id, "active");
}

async function hold(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  status: "active" | "suspended",
): Promise<StatusChange> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    if (certificate.status === "revoked") throw new Refusal("ALREADY_REVOKED");
    if (certificate.status === status) {
      throw new Refusal("STATE_UNCHANGED", `The certificate is ${status} already.`);
    }
    const { fingerprint, account } = certificate;
    const isSuspension = status === "suspended";
    await stores.certificates.setStatus(
      fingerprint,
      status,
      isSuspension ? mutation.clock.now() : undefined,
      undefined,
    );
    const action = isSuspension ? "certificate.suspend" : "certificate.resume";
    return { certificate, sequence: await recordChange(stores, mutation, action, fingerprint, { account }) };
  });
}
