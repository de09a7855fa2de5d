import { Allowance } from "./allowance.ts";
import type { Clock } from "./ports.ts";

type Limits = ConstructorParameters<typeof Allowance>[1];

/** Of whom it is known how much they took; the one that took nothing for the longest time is forgotten first. */
const MOST = 10_000;

/** An allowance for all, of which nobody gets more than a part. */
export class SharedAllowance {
  readonly #clock: Clock;
  readonly #limits: { readonly each: Limits; readonly all: Limits };
  readonly #all: Allowance;
  readonly #each = new Map<string, Allowance>();

  constructor(clock: Clock, limits: { readonly each: Limits; readonly all: Limits }) {
    this.#clock = clock;
    this.#limits = limits;
    this.#all = new Allowance(clock, limits.all);
  }

  /** How many are known of. */
  get size(): number {
    return this.#each.size;
  }

  /** Whether somebody may do it once more; if so, that counts. Who may not takes nothing from the others. */
  take(who: string): boolean {
    const own = this.#each.get(who) ?? new Allowance(this.#clock, this.#limits.each);
    this.#each.delete(who);
    this.#each.set(who, own);
    for (const oldest of this.#each.keys()) {
      if (this.#each.size <= MOST) break;
      this.#each.delete(oldest);
    }
    return own.take() && this.#all.take();
  }
}
