import type { SpkiHash } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";
import type { CertificateRecord, CertificateStatus, ChangeAction, StatusUpdate } from "../domain/records.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { Instant } from "../domain/time.ts";
import type { Mutation } from "./record-change.ts";

/** What is said of a change of status besides. */
export interface Particulars {
  /** Since when a revoked certificate is no good (RFC 5280 §5.3.2). */
  readonly invalidityAt?: Instant | undefined;
  /** Why, in words. */
  readonly note?: string | undefined;
}

export interface Cause extends Particulars {
  readonly reason?: RevocationReason;
}

/** The numbers of the first and the last of some changes. */
export interface Applied {
  readonly first: number;
  readonly last: number;
}

const actions: Readonly<Record<CertificateStatus, ChangeAction>> = {
  active: "certificate.resume",
  suspended: "certificate.suspend",
  revoked: "certificate.revoke",
};

/** What ended, and what was suspended, along with others, as it was. */
export interface Consequences {
  /** For the same key, when that is compromised. */
  readonly others: readonly CertificateRecord[];
  /** What came by renewal of what is compromised. */
  readonly suspended: readonly CertificateRecord[];
}

/**
 * Within a transaction, revokes certificates that are not revoked; where a key is compromised, everything that lives with
 * it, and the key is not signed again: whoever has a copy has it for the next certificate too, which is public. What came of
 * them by renewal is suspended then: whoever had the key may have renewed it.
 *
 * @param certificates one at least
 */
export async function revokeEach(
  stores: Stores,
  mutation: Mutation,
  certificates: readonly CertificateRecord[],
  cause: Cause & { readonly reason: RevocationReason },
): Promise<Applied & Consequences> {
  const applied = await setStatusOfEach(stores, mutation, certificates, "revoked", cause);
  if (cause.reason !== "keyCompromise") return { ...applied, others: [], suspended: [] };
  const others: CertificateRecord[] = [];
  const compromised: CertificateRecord[] = [];
  let { last } = applied;
  for (const key of new Map(certificates.map((one) => [one.spkiHash, one])).values()) {
    await stores.keys.block(key, mutation.clock.now(), cause.note ?? cause.reason);
    const done = await revokeLive(stores, mutation, key.spkiHash, cause);
    others.push(...done.revoked);
    compromised.push(...done.withKey);
    last = done.applied?.last ?? last;
  }
  const { suspended, applied: held } = await suspendSuccessors(stores, mutation, compromised);
  return { ...applied, last: held?.last ?? last, others, suspended };
}

/** Within a transaction, revokes whatever lives with a key as keyCompromise; returns what has ended before as well. */
export async function revokeLive(
  stores: Stores,
  mutation: Mutation,
  spkiHash: SpkiHash,
  particulars: Particulars = {},
): Promise<{
  readonly revoked: readonly CertificateRecord[];
  readonly withKey: readonly CertificateRecord[];
  readonly applied: Applied | undefined;
}> {
  const now = mutation.clock.now();
  const withKey = await stores.certificates.list({ spkiHash });
  const revoked = withKey.filter(({ status, notAfter }) => status !== "revoked" && notAfter > now);
  if (revoked.length === 0) return { revoked, withKey, applied: undefined };
  const cause = { ...particulars, reason: "keyCompromise" } as const;
  return { revoked, withKey, applied: await setStatusOfEach(stores, mutation, revoked, "revoked", cause) };
}

const HELD =
  "it came by renewal of a certificate whose key is compromised: whoever has a copy may have renewed it";

/** Within a transaction, suspends what came by renewal of certificates whose keys are compromised, and is active. */
export async function suspendSuccessors(
  stores: Stores,
  mutation: Mutation,
  compromised: readonly CertificateRecord[],
): Promise<Pick<Consequences, "suspended"> & { readonly applied: Applied | undefined }> {
  const suspended = await activeSuccessors(stores, mutation, compromised);
  if (suspended.length === 0) return { suspended, applied: undefined };
  return {
    suspended,
    applied: await setStatusOfEach(stores, mutation, suspended, "suspended", { note: HELD }),
  };
}

/** What came of certificates by renewal, all the way down the line, and is active. */
export async function activeSuccessors(
  stores: Stores,
  { clock }: Mutation,
  certificates: readonly CertificateRecord[],
): Promise<readonly CertificateRecord[]> {
  const fingerprints = certificates.map(({ fingerprint }) => fingerprint);
  const found = await stores.renewals.activeSuccessors(fingerprints, clock.now());
  return found.length === 0 ? [] : stores.certificates.byFingerprints(found);
}

/**
 * Within a transaction, gives certificates a status that each can go into, with one change each.
 *
 * @param certificates one at least
 */
export async function setStatusOfEach(
  stores: Stores,
  { clock, actor }: Mutation,
  certificates: readonly CertificateRecord[],
  status: CertificateStatus,
  cause: Cause = {},
): Promise<Applied> {
  const time = clock.now();
  const { reason, invalidityAt, note } = cause;
  const update: StatusUpdate =
    status === "active"
      ? {
          ...{ status, statusAt: undefined, statusBy: undefined },
          ...{ reason: undefined, invalidityAt: undefined, note: undefined },
        }
      : { status, statusAt: time, statusBy: actor, reason, invalidityAt, note };
  await stores.certificates.setStatus(
    certificates.map(({ fingerprint }) => fingerprint),
    update,
  );
  const last = await stores.changes.append(
    certificates.map(({ fingerprint: subject, account }) => ({
      ...{ time, actor, subject, action: actions[status] },
      detail: { account, reason, invalidityAt, note },
    })),
  );
  return { first: last - certificates.length + 1, last };
}
