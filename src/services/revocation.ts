import { Refusal } from "../domain/errors.ts";
import type { CertificateId, SpkiHash } from "../domain/identifiers.ts";
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

export interface Revocation extends StatusChange {
  /** The first of the changes, of which `sequence` is the last. */
  readonly first: number;
  /** Those that ended along with it, as they were: for the same key, when that is compromised. */
  readonly others: readonly CertificateRecord[];
}

/** Ends a certificate for good. Throws NOT_FOUND, ID_AMBIGUOUS, ALREADY_REVOKED. */
export async function revoke(
  database: Database,
  mutation: Mutation,
  id: CertificateId,
  reason: RevocationReason,
): Promise<Revocation> {
  return database.transaction(async (stores) => {
    const certificate = await findCertificate(stores, id);
    if (certificate.status === "revoked") throw new Refusal("ALREADY_REVOKED");
    const first = await setRevoked(stores, mutation, certificate, reason);
    if (reason !== "keyCompromise") return { certificate, first, sequence: first, others: [] };
    // Whoever has a copy of the key has it for every certificate with it, and for the next one, which is public.
    await stores.keys.block(certificate, mutation.clock.now(), reason);
    const { revoked, last = first } = await revokeLive(stores, mutation, certificate.spkiHash);
    return { certificate, first, sequence: last, others: revoked };
  });
}

/** Within a transaction, revokes whatever lives with a key as keyCompromise. */
export async function revokeLive(
  stores: Stores,
  mutation: Mutation,
  spkiHash: SpkiHash,
): Promise<{ readonly revoked: readonly CertificateRecord[]; readonly last: number | undefined }> {
  const now = mutation.clock.now();
  const revoked = (await stores.certificates.list({ spkiHash })).filter(
    ({ status, notAfter }) => status !== "revoked" && notAfter > now,
  );
  let last: number | undefined;
  for (const certificate of revoked) last = await setRevoked(stores, mutation, certificate, "keyCompromise");
  return { revoked, last };
}

/** Returns the change's sequence number. */
async function setRevoked(
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
