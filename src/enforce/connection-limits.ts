import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";

/** Whose a connection is. */
export interface Holder {
  readonly fingerprint: Fingerprint;
  readonly account: Slug;
}

/** How many connections of each credential and account may ask, and which: those that came first, until they close. */
export class ConnectionLimits {
  readonly #admitted = new Map<string, number>();
  readonly #isAdmitted = new WeakSet<Holder>();

  /**
   * Whether a connection may ask, now that its limits are these; it then keeps its place.
   *
   * @param limits `undefined` for as many as there are
   */
  admits(
    connection: Holder,
    limits: { readonly credential: number | undefined; readonly account: number | undefined },
  ): boolean {
    const { fingerprint, account } = connection;
    const mine = this.#isAdmitted.has(connection) ? 1 : 0;
    const fits = (key: string, limit = Infinity): boolean => this.#count(key) - mine < limit;
    const isAdmitted = fits(fingerprint, limits.credential) && fits(account, limits.account);
    if (isAdmitted && mine === 0) this.#enter(connection);
    if (!isAdmitted && mine === 1) this.closed(connection);
    return isAdmitted;
  }

  /** Gives its place to another. */
  closed(connection: Holder): void {
    if (!this.#isAdmitted.delete(connection)) return;
    for (const key of [connection.fingerprint, connection.account]) {
      const left = this.#count(key) - 1;
      if (left > 0) this.#admitted.set(key, left);
      else this.#admitted.delete(key);
    }
  }

  #enter(connection: Holder): void {
    this.#isAdmitted.add(connection);
    for (const key of [connection.fingerprint, connection.account])
      this.#admitted.set(key, this.#count(key) + 1);
  }

  #count(key: string): number {
    return this.#admitted.get(key) ?? 0;
  }
}
