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

/**
 * Within a transaction, revokes certificates that are not revoked; where a key is compromised, everything that lives with
 * it, and the key is not signed again: whoever has a copy has it for the next certificate too, which is public.
 *
 * @param certificates one at least
 * @returns with those that ended along with them, as they were.
 */
export async function revokeEach(
  stores: Stores,
  mutation: Mutation,
  certificates: readonly CertificateRecord[],
  cause: Cause & { readonly reason: RevocationReason },
): Promise<Applied & { readonly others: readonly CertificateRecord[] }> {
  const applied = await setStatusOfEach(stores, mutation, certificates, "revoked", cause);
  if (cause.reason !== "keyCompromise") return { ...applied, others: [] };
  const others: CertificateRecord[] = [];
  let { last } = applied;
  for (const key of new Map(certificates.map((one) => [one.spkiHash, one])).values()) {
    await stores.keys.block(key, mutation.clock.now(), cause.note ?? cause.reason);
    const { revoked, applied: further } = await revokeLive(stores, mutation, key.spkiHash, cause);
    others.push(...revoked);
    last = further?.last ?? last;
  }
  return { ...applied, last, others };
}

/** Within a transaction, revokes whatever lives with a key as keyCompromise. */
export async function revokeLive(
  stores: Stores,
  mutation: Mutation,
  spkiHash: SpkiHash,
  particulars: Particulars = {},
): Promise<{ readonly revoked: readonly CertificateRecord[]; readonly applied: Applied | undefined }> {
  const now = mutation.clock.now();
  const revoked = (await stores.certificates.list({ spkiHash })).filter(
    ({ status, notAfter }) => status !== "revoked" && notAfter > now,
  );
  if (revoked.length === 0) return { revoked, applied: undefined };
  const cause = { ...particulars, reason: "keyCompromise" } as const;
  return { revoked, applied: await setStatusOfEach(stores, mutation, revoked, "revoked", cause) };
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
