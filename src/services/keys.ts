import { Refusal } from "../domain/errors.ts";
import type { SpkiHash } from "../domain/identifiers.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { CertificateRecord, KeyRecord } from "../domain/records.ts";
import { type Consequences, revokeLive, suspendSuccessors } from "./change-status.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** Throws NOT_FOUND. */
export async function requireKey(stores: Stores, spkiHash: SpkiHash): Promise<KeyRecord> {
  const [key] = await stores.keys.byHashes([spkiHash]);
  if (!key) throw new Refusal("NOT_FOUND", "No key on record goes by that.");
  return key;
}

/** Whether an account may have a key signed. Throws KEY_BLOCKED, KEY_IN_USE. */
export async function requireFreeKey(
  stores: Stores,
  accountId: number | undefined,
  spkiHash: SpkiHash,
): Promise<void> {
  const [key] = await stores.keys.byHashes([spkiHash]);
  if (key?.blockedAt !== undefined) throw new Refusal("KEY_BLOCKED");
  if (key && key.accountId !== accountId) throw new Refusal("KEY_IN_USE");
}

export interface Blocking extends Pick<Consequences, "suspended"> {
  /** The certificates that it ended, as they were. */
  readonly revoked: readonly CertificateRecord[];
  /** The changes' sequence numbers. */
  readonly first: number;
  readonly last: number;
}

/**
 * Blocks a key for good, whether it was ever seen here or not: it is not signed again for anybody, and live certificates
 * with it are revoked as keyCompromise, and what came of any by renewal is suspended, all in one transaction.
 *
 * @param because in an admin's words
 * @throws Refusal STATE_UNCHANGED when it is blocked already, and nothing with it, or of it, lives; KEY_IN_USE for a CA's own key.
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
    const [known] = await stores.keys.byHashes([spkiHash]);
    const isBlocked = known?.blockedAt !== undefined;
    if (!isBlocked) await stores.keys.block(key, mutation.clock.now(), because);
    const first = await recordChange(stores, mutation, "key.block", spkiHash, { because });
    const { revoked, withKey, applied } = await revokeLive(stores, mutation, spkiHash, { note: because });
    // Also of one that was retired long since: its key is what was renewed.
    const { suspended, applied: held } = await suspendSuccessors(stores, mutation, withKey);
    if (isBlocked && revoked.length + suspended.length === 0)
      throw new Refusal("STATE_UNCHANGED", "The key is blocked already.");
    return { revoked, suspended, first, last: held?.last ?? applied?.last ?? first };
  });
}
