import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { Clock, Database, Stores } from "../domain/ports.ts";
import { type CloneCause, SYSTEM_ACTOR } from "../domain/renewal.ts";
import type { Instant } from "../domain/time.ts";
import { type Applied, setStatusOfEach } from "./change-status.ts";
import { recordChange } from "./record-change.ts";

/** What makes it look as if somebody had a copy of a key. */
export interface CloneSign {
  readonly cause: CloneCause;
  /** The credential that was presented. */
  readonly fingerprint: Fingerprint;
  /** The first one of its line. */
  readonly line: Fingerprint;
  readonly account: Slug | undefined;
  /** Of whoever presented it. */
  readonly address: string | undefined;
}

export interface CloneAlarmParts {
  readonly database: Database;
  readonly clock: Clock;
}

/**
 * Suspends every credential of a line that is active, or may be renewed just now: one of two who have the same key is not its
 * owner, and nobody here can tell which. A line that an alarm has suspended is left as it is, so that an alarm is raised once;
 * when an admin has resumed some of it, there may be another. One that has nothing left to suspend is told of all the same.
 *
 * @returns the changes, which whoever follows them tells the admin of; or `undefined` when nothing is new
 */
export async function raiseCloneAlarm(
  { database, clock }: CloneAlarmParts,
  sign: CloneSign,
): Promise<(Applied & { readonly suspended: number }) | undefined> {
  const { cause, fingerprint, line, account, address } = sign;
  const mutation = { clock, actor: SYSTEM_ACTOR };
  return database.transaction(async (stores) => {
    const active = await stores.renewals.activeOfLine(line, clock.now());
    if (active.length === 0 && (await isRaised(stores, line, clock.now()))) return undefined;
    const certificates = await stores.certificates.byFingerprints(active);
    const detail = { cause, fingerprint, account, address };
    const first = await recordChange(stores, mutation, "credential.clone", line, detail);
    if (certificates.length === 0) return { first, last: first, suspended: 0 };
    const note = noteOf(sign);
    const { last } = await setStatusOfEach(stores, mutation, certificates, "suspended", { note });
    return { first, last, suspended: certificates.length };
  });
}

/** Whether what an alarm has suspended of a line still is. */
async function isRaised(stores: Stores, line: Fingerprint, now: Instant): Promise<boolean> {
  const suspended = await stores.renewals.suspendedOfLine(line, now);
  const certificates = await stores.certificates.byFingerprints(suspended);
  return certificates.some(
    ({ statusBy, note }) => statusBy === SYSTEM_ACTOR && note?.startsWith(ALARM) === true,
  );
}

/** How the note of what an alarm has suspended begins. */
const ALARM = "clone alarm: ";

const happened: Readonly<Record<CloneCause, string>> = {
  "renewed-twice": "was to be renewed a second time, with another CSR",
  "retired-used": "was used after it had been retired and its successor used",
};

/** What `why`, `show` and `list` say of what is suspended. */
function noteOf({ cause, fingerprint, address }: CloneSign): string {
  const from = address === undefined ? "" : `, from ${address}`;
  return `${ALARM}${fingerprint} ${happened[cause]}${from}; somebody may have a copy of its key`;
}
