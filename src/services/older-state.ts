import { Refusal } from "../domain/errors.ts";
import { type LastSeen, type Mark, isMarked, markOf } from "../domain/history.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Database, Stores } from "../domain/ports.ts";
import { type Mutation, recordChange } from "./record-change.ts";
import { tokenStatus } from "./tokens.ts";

/** How far the database's history has come. */
export async function lastSeenOf(stores: Stores): Promise<LastSeen> {
  const newest = await stores.changes.newest();
  const crls: Record<IssuerId, number> = {};
  for (const { id } of await stores.issuers.list()) crls[id] = (await stores.crls.head(id))?.number ?? 0;
  return { mark: newest && markOf(newest), crls };
}

/** Whether the database still has what was seen of it. */
export async function isOnRecord(stores: Stores, mark: Mark): Promise<boolean> {
  const [change] = await stores.changes.after(mark.sequence - 1, 1);
  return isMarked(mark, change);
}

/**
 * Makes sure that the database has not gone back: as a backup that was restored has, or a replica that lagged.
 *
 * @throws Refusal STATE_WENT_BACK, which says in what, and what to do.
 */
export async function requireSameHistory(stores: Stores, seen: LastSeen | undefined): Promise<void> {
  if (!seen) return;
  const faults: string[] = [];
  const { mark, crls } = seen;
  if (mark && !(await isOnRecord(stores, mark))) {
    const last = (await stores.changes.newest())?.sequence ?? 0;
    faults.push(
      last < mark.sequence
        ? `its last change is ${String(last)}, but ${String(mark.sequence)} was seen`
        : `its change ${String(mark.sequence)} is another one than was seen`,
    );
  }
  for (const [id, number] of Object.entries(crls)) {
    const own = (await stores.crls.head(id as IssuerId))?.number ?? 0;
    if (own < number)
      faults.push(`CRL ${String(own)} is the last of ${id}, but ${String(number)} was served`);
  }
  if (faults.length === 0) return;
  throw new Refusal(
    "STATE_WENT_BACK",
    `The database went back: ${faults.join("; ")}. What was revoked since would be let in again, used tokens would be open, ` +
      "and CRL numbers would be used twice. Put the newer database back; or, if it is lost, start once with " +
      "'countersign serve --accept-older-state', and revoke again what was revoked since.",
  );
}

/** Between the last CRL known of and the next: how many others were made is not known. */
const LEAP = 1_000_000;

export interface Accepted {
  readonly tokens: number;
  readonly requests: number;
  /** The numbers above which the next CRLs are. */
  readonly crls: Readonly<Record<IssuerId, number>>;
}

/**
 * Goes on with an older state, all in one transaction: voids every open token, for it may have been used, with the
 * uses of fleets' tokens that have enrolled nothing, and every request but those that were denied; and has the next CRL of
 * each issuing CA be due at once, with a number that none had.
 *
 * @param seen what was seen before, as far as that is known
 */
export function acceptOlderState(
  database: Database,
  mutation: Mutation,
  seen: LastSeen | undefined,
): Promise<Accepted> {
  return database.transaction(async (stores) => {
    const now = mutation.clock.now();
    const crls: Record<IssuerId, number> = {};
    for (const { id, role } of await stores.issuers.list()) {
      if (role !== "issuing") continue; // the root's are signed elsewhere
      const last = (await stores.crls.head(id))?.number ?? 0;
      crls[id] = Math.max(last, seen?.crls[id] ?? 0) + LEAP;
      await stores.crls.raise(id, crls[id]);
    }
    const open = (await stores.tokens.list()).filter((token) => tokenStatus(token, now) === "open");
    const last = await stores.changes.last();
    for (const { id } of open) await stores.tokens.revoke(id, now);
    const children = await stores.tokens.revokeChildren(undefined, now);
    const requests = await stores.requests.deleteOpen();
    const detail = { last, seen: seen?.mark?.sequence, tokens: open.length, requests, crls };
    await recordChange(stores, mutation, "state.accept", String(last), detail);
    const { actor } = mutation;
    await stores.changes.append(
      [...open.map(({ id }) => id), ...children].map((subject) => {
        return { time: now, actor, action: "token.revoke" as const, subject, detail: { olderState: true } };
      }),
    );
    return { tokens: open.length, requests, crls };
  });
}
