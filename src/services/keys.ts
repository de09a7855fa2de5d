import { Refusal } from "../domain/errors.ts";
import type { Database } from "../domain/ports.ts";
import type { CertificateRecord, KeyRecord } from "../domain/records.ts";
import { type Mutation, recordChange } from "./record-change.ts";
import { setRevoked } from "./revocation.ts";

export interface Blocking {
  /** The certificates that it ended, as they were. */
  readonly revoked: readonly CertificateRecord[];
  /** The changes' sequence numbers. */
  readonly first: number;
  readonly last: number;
}

/**
 * Blocks a key for good, whether it was ever seen here or not: it is not signed again for anybody, and live certificates
 * with it are revoked as keyCompromise, all in one transaction.
 *
 * @param because in an admin's words
 * @throws Refusal STATE_UNCHANGED when it is blocked already, and nothing with it lives; KEY_IN_USE for a CA's own key.
 */
export function blockKey(
  database: Database,
  mutation: Mutation,
  key: Pick<KeyRecord, "spkiHash" | "keyType">,
  because: string,
): Promise<Blocking> {
  const { spkiHash } = key;
  return database.transaction(async (stores) => {
    const own = (await stores.issuers.list()).find((issuer) => issuer.spkiHash === spkiHash);
    if (own) throw new Refusal("KEY_IN_USE", `This is the key of the CA '${own.name}'. Nothing was changed.`);
    const now = mutation.clock.now();
    const live = (await stores.certificates.list({ spkiHash })).filter(
      ({ status, notAfter }) => status !== "revoked" && notAfter > now,
    );
    const [known] = await stores.keys.byHashes([spkiHash]);
    if (known?.blockedAt === undefined) await stores.keys.block(key, now, because);
    else if (live.length === 0) throw new Refusal("STATE_UNCHANGED", "The key is blocked already.");
    const detail = { because, certificates: live.length };
    const first = await recordChange(stores, mutation, "key.block", spkiHash, detail);
    let last = first;
    for (const certificate of live) last = await setRevoked(stores, mutation, certificate, "keyCompromise");
    return { revoked: live, first, last };
  });
}
