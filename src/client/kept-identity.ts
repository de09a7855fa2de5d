import type { Clock } from "../domain/ports.ts";
import { type Instant, MINUTE, SECOND } from "../domain/time.ts";
import { type CountersignError, asCountersignError } from "./client-error.ts";
import type { Identity } from "./identity.ts";
import type { IdentitySource } from "./identity-source.ts";

export interface Keeping {
  readonly source: IdentitySource;
  readonly clock: Clock;
  /** The CA to renew at; without it, somebody else renews. */
  readonly caUrl: string | undefined;
  readonly onRenewed: (identity: Identity) => void;
  readonly onError: (error: CountersignError) => void;
}

/** No wait is longer: a clock that was set and a machine that slept are noticed within that time. */
const LONGEST_WAIT = MINUTE;
const SHORTEST_WAIT = 20;
/** Between two looks at files, this part of a certificate's life. */
const LOOK = 1 / 50;
const LONGEST_PAUSE = 10 * MINUTE;

/** Keeps an identity current: renews it in the background when it is due, and takes in what others have renewed. */
export class KeptIdentity {
  readonly #keeping: Keeping;
  readonly #listeners: ((identity: Identity) => void)[] = [];
  #current: Identity;
  #underWay: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** How many attempts have failed in a row. */
  #faults = 0;
  /** No renewal is tried within it. */
  #pause: { readonly from: Instant; readonly to: Instant } | undefined;
  #isStopped = false;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
    this.#current = keeping.source.current;
    this.#schedule();
  }

  get current(): Identity {
    return this.#current;
  }

  /** Calls back when there is another identity. */
  onSwap(listener: (identity: Identity) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Before something is begun with the current identity: what to wait for, when it has expired and a renewal may help.
   * What comes of that, `current` says; it does not fail.
   */
  ready(): Promise<void> | undefined {
    const now = this.#keeping.clock.now();
    if (now < this.#current.notAfter || this.#isStopped || this.#isPausing(now)) return undefined;
    return this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    const now = this.#keeping.clock.now();
    const { notBefore, notAfter, dueAt } = this.#current;
    const look = Math.max((notAfter - notBefore - MINUTE) * LOOK, 10 * SHORTEST_WAIT);
    const due = this.#keeping.caUrl === undefined ? Infinity : dueAt - now;
    const next = this.#isPausing(now) && this.#pause ? this.#pause.to - now : due;
    const wait = Math.max(Math.min(look, next, LONGEST_WAIT), SHORTEST_WAIT);
    this.#timer = setTimeout(() => {
      this.#look();
    }, wait).unref();
  }

  #look(): void {
    const now = this.#keeping.clock.now();
    const isDue = this.#keeping.caUrl !== undefined && now >= this.#current.dueAt && !this.#isPausing(now);
    const isOther = this.#keeping.source.current !== this.#current;
    if (isDue || isOther || this.#keeping.source.hasChanged()) void this.#attempt();
    else this.#schedule();
  }

  #attempt(): Promise<void> {
    this.#underWay ??= this.#try().finally(() => {
      this.#underWay = undefined;
      this.#schedule();
    });
    return this.#underWay;
  }

  async #try(): Promise<void> {
    const { source, clock, caUrl } = this.#keeping;
    try {
      this.#take(source.refresh());
      const now = clock.now();
      if (caUrl === undefined || now < this.#current.dueAt || this.#isPausing(now)) return;
      this.#take(await source.renew(this.#current, caUrl));
      this.#faults = 0;
      this.#pauseIfStillDue();
    } catch (error) {
      if (this.#isStopped) return;
      this.#pauseAfterFault();
      this.#keeping.onError(asCountersignError(error));
    }
  }

  #take(found: Identity): void {
    if (this.#isStopped || found.fingerprint === this.#current.fingerprint) return;
    this.#current = found;
    this.#pause = undefined;
    for (const listener of this.#listeners) listener(found);
    this.#keeping.onRenewed(found);
  }

  /** A pause is over at its end, and also when the clock is set back before its beginning. */
  #isPausing(now: Instant): boolean {
    if (this.#pause && (now < this.#pause.from || now >= this.#pause.to)) this.#pause = undefined;
    return this.#pause !== undefined;
  }

  /** A new certificate that is due at once: our clock is ahead, and another would be no better. */
  #pauseIfStillDue(): void {
    const now = this.#keeping.clock.now();
    const { notBefore, notAfter, dueAt } = this.#current;
    if (now < dueAt) return;
    this.#pause = { from: now, to: now + Math.max((notAfter - notBefore - MINUTE) / 3, SECOND) };
  }

  /** Longer with each fault in a row, and never so long that what is left of the certificate's life would pass. */
  #pauseAfterFault(): void {
    const now = this.#keeping.clock.now();
    const { notAfter, dueAt } = this.#current;
    const longest = Math.min((notAfter - dueAt) / 8, LONGEST_PAUSE);
    const shortest = Math.min(longest / 4, SECOND);
    const pause = Math.max(Math.min(shortest * 2 ** this.#faults, longest), 2 * SHORTEST_WAIT);
    this.#faults += 1;
    this.#pause = { from: now, to: now + pause };
  }
}
