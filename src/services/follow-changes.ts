import { setTimeout as sleep } from "node:timers/promises";
import { Refusal } from "../domain/errors.ts";
import { type Mark, isMarked, markOf } from "../domain/history.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Change, ChangeAction } from "../domain/records.ts";
import { type Instant, MINUTE, SECOND } from "../domain/time.ts";

/** How often the changes are asked for, in milliseconds: a revocation is to take hold within 250. */
const POLL_INTERVAL = 40;
const HEARTBEAT = 5 * SECOND;
/** For how long calls go on when the database can't be asked for changes. */
export const MAX_STALENESS = MINUTE;
const BATCH = 1000;
/** Nobody waits until these are applied; to say so for each would have issuing wait for the disk again and again. */
const notAwaited: readonly ChangeAction[] = [
  "certificate.intend",
  "certificate.issue",
  "crl.publish",
  "token.use",
];
/** How long a server that stops waits to say so. */
const LEAVING = 2 * SECOND;

/** Applies changes to what is kept in memory; returns how many connections each one (by sequence) ends. */
export type ApplyChanges = (changes: readonly Change[]) => Promise<ReadonlyMap<number, number>>;

/** What came of a database's going back. */
export interface WentBack {
  /** The last change that was applied, which the database no longer has. */
  readonly from: Mark;
  /** The database's own last one. */
  readonly to: Mark | undefined;
}

/** Follows the changes that any process makes, in their order, and tells the others how far it has come. */
export class ChangeFollower {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #identity: { readonly id: string; readonly pid: number; readonly host: string };
  readonly #apply: ApplyChanges;
  readonly #loadAnew: (wentBack: WentBack) => Promise<void>;
  readonly #logger: Pick<Logger, "error">;
  readonly #onFault: (error: unknown) => void;
  /** The last change that was applied. */
  #mark: Mark | undefined;
  /** It was said that the database went back, and is not dealt with yet. */
  #isBehind = false;
  /** What the others know of this server is from a history that the database has no more. */
  #isToAnnounce = false;
  /** Something was applied that somebody may be waiting for, and is not told yet. */
  #isAwaited = false;
  readonly #unsaid: [sequence: number, connections: number][] = [];
  #currentAt: Instant = 0;
  #isLost = false;
  #heardAt: Instant = 0;
  #failing = false;
  readonly #pollInterval: number;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #isPolling = false;
  /** Something was committed while a round was under way, which may have read before it. */
  #isHurried = false;
  #unhurry: () => void = () => undefined;
  #stopped = false;

  constructor(parts: {
    database: Database;
    clock: Clock;
    identity: { id: string; pid: number; host: string };
    apply: ApplyChanges;
    /** Loads everything anew from a database that went back; what is given is where the following goes on. */
    loadAnew: (wentBack: WentBack) => Promise<void>;
    logger: Pick<Logger, "error">;
    /** Told once when the database stops answering. */
    onFault: (error: unknown) => void;
    /** In milliseconds (40). */
    pollInterval?: number;
  }) {
    this.#database = parts.database;
    this.#clock = parts.clock;
    this.#identity = parts.identity;
    this.#apply = parts.apply;
    this.#loadAnew = parts.loadAnew;
    this.#logger = parts.logger;
    this.#onFault = parts.onFault;
    this.#pollInterval = parts.pollInterval ?? POLL_INTERVAL;
  }

  /** When what is in memory was last known to agree with the database. */
  get currentAt(): Instant {
    return this.#currentAt;
  }

  /** It was once too old, the clock was set back, or the database's file replaced: whatever the clock says now, the database has to be read again. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Starts after a change, the database's last when the memory was loaded. */
  async start(mark: Mark | undefined): Promise<void> {
    this.#mark = mark;
    this.#currentAt = this.#heardAt = this.#clock.now();
    const { id, pid, host } = this.#identity;
    await this.#database.followers.announce(id, pid, host, this.#applied, this.#clock.now());
    this.#unhurry = this.#database.onCommit(() => {
      this.#hurry();
    });
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unhurry();
    clearTimeout(this.#timer);
    // A database that does not answer is not waited for: it takes the row for gone by itself, after a while.
    const leaving = this.#round.then(() => this.#database.followers.leave(this.#identity.id));
    const patience = new AbortController();
    await Promise.race([leaving, sleep(LEAVING, undefined, patience)]).catch(this.#onFault);
    patience.abort();
  }

  get #applied(): number {
    return this.#mark?.sequence ?? 0;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#begin();
    }, this.#pollInterval);
  }

  /** One round at a time, and no timer while it lasts. */
  #begin(): void {
    clearTimeout(this.#timer);
    this.#isPolling = true;
    this.#isHurried = false;
    this.#round = this.#poll().finally(() => {
      this.#isPolling = false;
      if (this.#isHurried && !this.#stopped) this.#begin();
      else this.#schedule();
    });
  }

  /** This process has just committed something: a revocation is not to wait for the next round by the clock. */
  #hurry(): void {
    if (this.#isPolling) this.#isHurried = true;
    else if (!this.#stopped) this.#begin();
  }

  async #poll(): Promise<void> {
    try {
      const askedAt = this.#clock.now();
      let batch: Change[];
      do {
        // With the last one applied once more: that it is there still proves that this is the same history.
        batch = await this.#database.changes.after(this.#applied - 1, BATCH);
        if (!this.#mark) await this.#take(batch);
        else if (isMarked(this.#mark, batch[0])) await this.#take(batch.slice(1));
        else await this.#beginAnew(this.#mark);
      } while (batch.length === BATCH);
      this.#isLost = false;
      this.#currentAt = askedAt; // also when nothing can be written: what was read holds
      await this.#acknowledge();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onFault(error);
      this.#failing = true;
      const age = this.#clock.now() - this.#currentAt;
      const isOtherState = error instanceof Refusal && error.code === "STATE_WENT_BACK";
      this.#isLost ||= isOtherState || age < 0 || age > MAX_STALENESS;
    }
  }

  /** After a fail-over to a replica that lagged, or when a backup was restored under the running server. */
  async #beginAnew(from: Mark): Promise<void> {
    const newest = await this.#database.changes.newest();
    const to = newest && markOf(newest);
    if (!this.#isBehind) {
      const [applied, last] = [from.sequence, to?.sequence ?? 0];
      this.#logger.error(
        { applied, last },
        `the database went back: it has lost change ${String(applied)}, which was applied here, and its last is ${String(last)}; what was done since it parted is gone, revocations too. Loading everything anew`,
      );
    }
    this.#isBehind = true;
    await this.#loadAnew({ from, to });
    this.#mark = to;
    this.#isBehind = false;
    this.#isToAnnounce = true;
    this.#unsaid.length = 0; // it was about changes that are no more
  }

  async #take(batch: readonly Change[]): Promise<void> {
    const last = batch.at(-1);
    if (last) {
      for (const [sequence, connections] of await this.#apply(batch)) {
        if (connections > 0) this.#unsaid.push([sequence, connections]);
      }
      this.#mark = markOf(last);
      this.#isAwaited ||= batch.some(({ action }) => !notAwaited.includes(action));
    }
  }

  /** What could not be said for a fault is said in the next round. The counts first: who waits reads them then. */
  async #acknowledge(): Promise<void> {
    const now = this.#clock.now();
    const isSilent = Math.abs(now - this.#heardAt) >= HEARTBEAT;
    if (!this.#isAwaited && !isSilent && !this.#isToAnnounce) return;
    const { followers } = this.#database;
    const { id, pid, host } = this.#identity;
    if (this.#isToAnnounce) await followers.announce(id, pid, host, this.#applied, now);
    this.#isToAnnounce = false;
    for (let next; (next = this.#unsaid[0]); this.#unsaid.shift()) await followers.closing(id, ...next);
    const isListed = await followers.applied(id, this.#applied, now);
    // Asleep for so long that others took it for gone.
    if (!isListed) await followers.announce(id, pid, host, this.#applied, now);
    this.#isAwaited = false;
    this.#heardAt = now;
  }
}
