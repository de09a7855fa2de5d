import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import { SYSTEM_ACTOR } from "../domain/renewal.ts";
import { type Instant, MINUTE, SECOND } from "../domain/time.ts";
import { setStatusOfEach } from "./change-status.ts";

/** A clock that jumps, and a timer that cannot wait for longer than 24.8 days, do no harm that lasts longer. */
const LONGEST_WAIT = MINUTE;
const AFTER_FAULT = 5 * SECOND;
/** How many share a transaction: others get their turn in between. */
export const BATCH = 500;

/**
 * Retires what is to be retired now: credentials that were renewed, and whose overlap is over, are revoked as superseded. What
 * has ended otherwise is just marked, and what is suspended waits until it is resumed.
 *
 * @returns how many renewals were looked at: `BATCH` when there may be more
 */
export async function retireDue(database: Database, clock: Clock): Promise<number> {
  // Most of the time there is none: nobody has to wait for that.
  if ((await database.renewals.due(clock.now(), 1)).length === 0) return 0;
  return database.transaction(async (stores) => {
    const now = clock.now();
    const due = (await stores.renewals.due(now, BATCH)).map(({ predecessor }) => predecessor);
    const ending = (await stores.certificates.byFingerprints(due)).filter(
      ({ status, notAfter }) => status === "active" && notAfter > now,
    );
    const cause = { reason: "superseded", note: "retired after its renewal" } as const;
    if (ending.length > 0)
      await setStatusOfEach(stores, { clock, actor: SYSTEM_ACTOR }, ending, "revoked", cause);
    await stores.renewals.retire(due, now);
    return due.length;
  });
}

interface RetirementParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/** Retires predecessors when they are due. Several servers may do so at once: what one has retired, the others find done. */
export class Retirement {
  readonly #parts: RetirementParts;
  #timer: NodeJS.Timeout | undefined;
  #next: Instant = Infinity;
  #round: Promise<void> | undefined;
  #isFailing = false;
  #isStopped = true;

  constructor(parts: RetirementParts) {
    this.#parts = parts;
  }

  /** Begins with what has become due while no server ran. */
  start(): void {
    this.#isStopped = false;
    this.#wakeAt(0);
  }

  /** Told of every change: of renewals, wherever they were made, and of what is resumed after it was to be retired. */
  onChanges(changes: readonly Change[]): void {
    for (const { action, detail } of changes) {
      const { retiresAt } = detail;
      if (action === "certificate.issue" && typeof retiresAt === "number") this.#wakeAt(retiresAt);
      else if (action === "certificate.resume") this.#wakeAt(0);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #wakeAt(at: Instant): void {
    if (this.#isStopped || at >= this.#next) return;
    this.#next = at;
    if (!this.#round) this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const wait = Math.min(Math.max(0, this.#next - this.#parts.clock.now()), LONGEST_WAIT);
    this.#timer = setTimeout(() => {
      this.#round = this.#retire().finally(() => {
        this.#round = undefined;
        if (!this.#isStopped) this.#schedule();
      });
    }, wait).unref();
  }

  /** Never fails. */
  async #retire(): Promise<void> {
    const { database, clock, logger } = this.#parts;
    this.#next = Infinity;
    try {
      while ((await retireDue(database, clock)) === BATCH && !this.#isStopped);
      const due = await database.renewals.nextDue(clock.now());
      this.#next = Math.min(this.#next, due ?? Infinity);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) logger.warn({ err: error }, "renewed credentials cannot be retired; tried again");
      this.#isFailing = true;
      this.#next = Math.min(this.#next, clock.now() + AFTER_FAULT);
    }
  }
}
