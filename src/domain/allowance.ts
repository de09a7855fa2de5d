import type { Clock } from "./ports.ts";
import { type Instant, SECOND } from "./time.ts";

/** How often something may be done: so many times a second, and so many at once after a pause. */
export class Allowance {
  readonly #clock: Clock;
  readonly #rate: number;
  readonly #burst: number;
  #left: number;
  #countedAt: Instant;

  constructor(clock: Clock, limits: { readonly rate: number; readonly burst: number }) {
    this.#clock = clock;
    this.#rate = limits.rate;
    this.#burst = this.#left = limits.burst;
    this.#countedAt = clock.now();
  }

  /** Whether it may be done once more; if so, that counts. */
  take(): boolean {
    const now = this.#clock.now();
    const passed = Math.max(0, now - this.#countedAt);
    this.#countedAt = now;
    this.#left = Math.min(this.#burst, this.#left + (passed * this.#rate) / SECOND);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
