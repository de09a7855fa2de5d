import type { Clock } from "../../domain/ports.ts";
import { MINUTE } from "../../domain/time.ts";
import { type CountersignError, asCountersignError } from "./client-error.ts";
import { DueWatch } from "../renewal/due-watch.ts";
import type { IdentitySource } from "./identity-source.ts";
import type { Identity } from "./identity.ts";
import { Retry, finalCodes } from "../renewal/retry.ts";

export interface Keeping {
  readonly source: IdentitySource;
  /** The CA to renew at; without it, somebody else renews. */
  readonly caUrl: string | undefined;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onRenewed: (identity: Identity) => void;
  readonly onError: (error: CountersignError) => void;
}

/** No wait is longer: a clock that was set and a machine that slept are noticed within that time. */
const LONGEST_WAIT = MINUTE;
const SHORTEST_WAIT = 20;
/** Between two looks at what others may have changed, this part of a certificate's life. */
const LOOK = 1 / 50;

/** Keeps an identity current: renews it in the background when it is due, and takes in what others have renewed. */
export class KeptIdentity {
  readonly #keeping: Keeping;
  readonly #watch = new DueWatch();
  readonly #listeners: ((identity: Identity) => void)[] = [];
  #current: Identity;
  #underWay: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #retry: Retry;
  /** Whether it is not tried again, unless somebody puts another certificate there. */
  #isFinal = false;
  #isStopped = false;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
    this.#retry = new Retry(keeping.random);
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
   * Before something is begun with the current identity: what to wait for, when it has ended and a renewal may help. It
   * does not fail; what comes of it, `current` says.
   */
  ready(): Promise<void> | undefined {
    const left = this.#watch.endsIn(this.#keeping.clock.now()) ?? 0;
    return left > 0 || this.#retryIn > 0 || this.#isStopped ? undefined : this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Milliseconds until the next attempt after one that failed. */
  get #retryIn(): number {
    return this.#isFinal ? Infinity : this.#retry.wait;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const dueIn = this.#dueIn();
    const life = this.#current.notAfter - this.#current.dueAt;
    const next = Math.min(Math.max(dueIn, this.#retryIn), Math.max(life * LOOK, SHORTEST_WAIT), LONGEST_WAIT);
    const wait = Math.max(next, SHORTEST_WAIT);
    this.#timer = setTimeout(() => {
      this.#pass(wait);
    }, wait).unref();
  }

  /** Milliseconds until it is to be renewed here. */
  #dueIn(): number {
    const now = this.#keeping.clock.now();
    this.#watch.see(this.#current, now);
    return this.#keeping.caUrl === undefined ? Infinity : this.#watch.dueIn(now);
  }

  #pass(milliseconds: number): void {
    this.#watch.pass(milliseconds);
    this.#retry.pass(milliseconds);
    const { source } = this.#keeping;
    const isDue = this.#retryIn === 0 && this.#dueIn() <= 0;
    if (isDue || source.current !== this.#current || source.hasChanged()) void this.#attempt();
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
    const { source, caUrl } = this.#keeping;
    try {
      this.#take(source.refresh());
      if (caUrl === undefined || this.#retryIn > 0 || this.#dueIn() > 0) return;
      this.#take(await source.renew(this.#current, caUrl));
      this.#retry.succeeded();
    } catch (error) {
      if (!this.#isStopped) this.#failed(asCountersignError(error));
    }
  }

  #take(found: Identity): void {
    if (this.#isStopped || found.fingerprint === this.#current.fingerprint) return;
    this.#current = found;
    this.#retry.succeeded();
    this.#isFinal = false;
    for (const listener of this.#listeners) listener(found);
    this.#keeping.onRenewed(found);
  }

  #failed(error: CountersignError): void {
    this.#isFinal = finalCodes.has(error.code);
    this.#retry.failed(error.code, this.#watch.endsIn(this.#keeping.clock.now()));
    this.#keeping.onError(error);
  }
}
