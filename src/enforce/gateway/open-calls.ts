import { BoundedNames } from "../../domain/bounded-names.ts";

/** What is under way on a route, of an account. */
export interface OpenCount {
  readonly route: string;
  readonly account: string;
  /** Calls that are not over. */
  calls: number;
  /** Connections that have left HTTP. */
  upgraded: number;
}

/** What is under way, by route and account: of the first 1,000 accounts that call, and the rest. */
export class OpenCalls {
  readonly #names = new BoundedNames();
  readonly #byRoute = new Map<string, Map<string, OpenCount>>();

  /** To be changed in place: on the way of every call, nothing is made. */
  of(route: string, account: string): OpenCount {
    const name = this.#names.of(account);
    return this.#byRoute.get(route)?.get(name) ?? this.#begin(route, name);
  }

  entries(): readonly Readonly<OpenCount>[] {
    return [...this.#byRoute.values()].flatMap((byAccount) => [...byAccount.values()]);
  }

  #begin(route: string, account: string): OpenCount {
    const count = { route, account, calls: 0, upgraded: 0 };
    const byAccount = this.#byRoute.get(route) ?? new Map<string, OpenCount>();
    this.#byRoute.set(route, byAccount.set(account, count));
    return count;
  }
}
