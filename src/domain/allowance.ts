import type { Clock } from "./ports.ts";
import { type Instant, SECOND } from "./time.ts";

/** How often something may be done: so many times a second, and so many at once after a pause. */
export class Allowance {
  readonly #clock: Clock;
  readonly #rate: number;
  readonly #burst: number;
  #left: number;
  #countedAt: Instant;

  /** @param left of the burst; all of it, but for one that goes on from another */
  constructor(clock: Clock, limits: { readonly rate: number; readonly burst: number }, left = limits.burst) {
    this.#clock = clock;
    this.#rate = limits.rate;
    this.#burst = limits.burst;
    this.#left = Math.min(left, limits.burst);
    this.#countedAt = clock.now();
  }

  /** Whether it may be done once more; if so, that counts. */
  take(): boolean {
    if (this.left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** How often it may be done now; in parts of one. */
  get left(): number {
    const now = this.#clock.now();
    const passed = Math.max(0, now - this.#countedAt);
    this.#countedAt = now;
    this.#left = Math.min(this.#burst, this.#left + (passed * this.#rate) / SECOND);
    return this.#left;
  }

  /** Milliseconds until it may be done that often, if nothing is done meanwhile. */
  until(wanted: number): number {
    return Math.max(0, ((wanted - this.left) * SECOND) / this.#rate);
  }
}
