import { Allowance } from "./allowance.ts";
import type { Clock } from "./ports.ts";

/** As many are known of; the one that took nothing for the longest time is forgotten first, and would begin anew. */
const MOST = 10_000;

/** An allowance for each of many, in bounded memory. */
export class Allowances<Key> {
  readonly #clock: Clock;
  readonly #limits: { readonly rate: number; readonly burst: number };
  readonly #known = new Map<Key, Allowance>();

  /** @param limits of each: how often a second, and how often at once */
  constructor(clock: Clock, limits: { readonly rate: number; readonly burst: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How many are known of. */
  get size(): number {
    return this.#known.size;
  }

  /** Whether it may do it once more; if so, that counts. */
  take(key: Key): boolean {
    const own = this.#known.get(key) ?? new Allowance(this.#clock, this.#limits);
    this.#known.delete(key);
    this.#known.set(key, own);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST) break;
      this.#known.delete(oldest);
    }
    return own.take();
  }
}
