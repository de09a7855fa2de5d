import { Refusal } from "../domain/errors.ts";

/** Several refusals, told as one. */
class SeveralFaults extends Refusal {
  readonly faults: readonly Refusal[];

  constructor(where: string, faults: readonly Refusal[]) {
    const details = faults.flatMap(({ detail }) => detail ?? []).join("; ");
    const sentences = faults.map(({ message }) => message).join(" ");
    super(
      "CONFIG_INVALID",
      `${where} has several faults. ${sentences}`,
      details === "" ? undefined : details,
    );
    this.faults = faults;
  }
}

/** Goes on after what is refused, so that whoever mends it learns of every fault at once. */
export class Faults {
  readonly #found: Refusal[] = [];

  get found(): readonly Refusal[] {
    return this.#found;
  }

  /** @returns nothing, if the work was refused. Throws what is no refusal, and HOME_MISSING: all else would follow from it. */
  attempt<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === "HOME_MISSING") throw error;
      this.#found.push(...(error instanceof SeveralFaults ? error.faults : [error]));
      return undefined;
    }
  }

  /**
   * @param where what has them
   * @throws Refusal with one fault, its own; with several, CONFIG_INVALID, naming each.
   */
  refuse(where: string): never {
    const [first, ...others] = this.#found;
    throw first && others.length === 0 ? first : new SeveralFaults(where, this.#found);
  }
}
