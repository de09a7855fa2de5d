/** So many accounts are told apart in metrics; what comes after them is counted together. */
export const MOST_NAMED = 1000;
/** No slug begins so: an account that is called `other` is counted by itself. */
export const OTHER = "_other";

/** Names for metrics: the first 1,000, or fewer, as they are, all others as `_other`. */
export class BoundedNames {
  readonly #most: number;
  readonly #names = new Set<string>();

  constructor(most = MOST_NAMED) {
    this.#most = most;
  }

  of(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.#most) return OTHER;
    this.#names.add(name);
    return name;
  }
}
