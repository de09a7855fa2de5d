import { MOST_NAMED, OTHER } from "../domain/bounded-names.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Slug } from "../domain/names.ts";

export interface AccountCount {
  requests: number;
  readonly denials: Map<ErrorCode, number>;
}

/** Requests and denials by account since the start, for the metrics: of the first 1,000 accounts that call, and the rest. */
export class AccountCounts {
  readonly #counts = new Map<string, AccountCount>();

  of(account: Slug): AccountCount {
    return this.#counts.get(account) ?? this.#begin(account);
  }

  entries(): Iterable<readonly [account: string, count: AccountCount]> {
    return this.#counts;
  }

  #begin(account: string): AccountCount {
    const name = this.#counts.size < MOST_NAMED ? account : OTHER;
    const count = this.#counts.get(name) ?? { requests: 0, denials: new Map<ErrorCode, number>() };
    this.#counts.set(name, count);
    return count;
  }
}
