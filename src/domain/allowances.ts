import { Allowance } from "./allowance.ts";
import type { Clock } from "./ports.ts";

/** As many are kept; beyond, the one that was first kept begins anew. */
const MOST_KEPT = 10_000;

/** An allowance for each of many, in bounded memory. */
export class Allowances<Key> {
  readonly #clock: Clock;
  readonly #limits: { readonly rate: number; readonly burst: number };
  readonly #kept = new Map<Key, Allowance>();

  /** @param limits of each: how often a second, and how often at once */
  constructor(clock: Clock, limits: { readonly rate: number; readonly burst: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Whether it may do it once more; if so, that counts. */
  take(key: Key): boolean {
    let allowance = this.#kept.get(key);
    if (!allowance) {
      allowance = new Allowance(this.#clock, this.#limits);
      const [oldest] = this.#kept.size < MOST_KEPT ? [] : this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(key, allowance);
    }
    return allowance.take();
  }
}
