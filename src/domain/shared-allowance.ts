import { Allowance } from "./allowance.ts";
import { Allowances } from "./allowances.ts";
import type { Clock } from "./ports.ts";

type Limits = ConstructorParameters<typeof Allowance>[1];

/** An allowance for all, of which nobody gets more than a part. */
export class SharedAllowance {
  readonly #all: Allowance;
  readonly #each: Allowances<string>;

  constructor(clock: Clock, limits: { readonly each: Limits; readonly all: Limits }) {
    this.#all = new Allowance(clock, limits.all);
    this.#each = new Allowances(clock, limits.each);
  }

  /** How many are known of. */
  get size(): number {
    return this.#each.size;
  }

  /** Whether somebody may do it once more; if so, that counts. Who may not takes nothing from the others. */
  take(who: string): boolean {
    return this.#each.take(who) && this.#all.take();
  }
}
