import { Allowance } from "../domain/allowance.ts";
import type { Credential } from "../domain/decision.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock } from "../domain/ports.ts";
import { type Instant, SECOND } from "../domain/time.ts";

/** Of look-ups. */
const LIMITS = { rate: 50, burst: 100 } as const;
/** How long a "not on record" is believed. */
const MEMORY = SECOND;
const MOST_REMEMBERED = 10_000;

/**
 * The one look-up in the store that a chain-valid fingerprint gets before it is called unknown: another process may
 * have issued it just now. Single-flight, remembered, and limited in rate, so that it can't be used to load the store.
 */
export class StoreLookup {
  readonly #fetch: (fingerprint: Fingerprint) => Promise<Credential | undefined>;
  readonly #clock: Clock;
  readonly #pending = new Map<Fingerprint, Promise<Credential | "unavailable" | undefined>>();
  readonly #missing = new Map<Fingerprint, Instant>();
  readonly #allowance: Allowance;

  constructor(fetch: (fingerprint: Fingerprint) => Promise<Credential | undefined>, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
    this.#allowance = new Allowance(clock, LIMITS);
  }

  /** @returns "unavailable" when the store can't be asked, or has been asked too often. */
  find(fingerprint: Fingerprint): Promise<Credential | "unavailable" | undefined> {
    const pending = this.#pending.get(fingerprint);
    if (pending) return pending;
    const age = this.#clock.now() - (this.#missing.get(fingerprint) ?? -Infinity);
    if (age >= 0 && age < MEMORY) return Promise.resolve(undefined);
    if (!this.#allowance.take()) return Promise.resolve("unavailable");
    const lookup = this.#ask(fingerprint).finally(() => this.#pending.delete(fingerprint));
    this.#pending.set(fingerprint, lookup);
    return lookup;
  }

  async #ask(fingerprint: Fingerprint): Promise<Credential | "unavailable" | undefined> {
    try {
      const found = await this.#fetch(fingerprint);
      if (!found) this.#remember(fingerprint);
      return found;
    } catch {
      return "unavailable";
    }
  }

  #remember(fingerprint: Fingerprint): void {
    if (this.#missing.size >= MOST_REMEMBERED) this.#missing.clear();
    this.#missing.set(fingerprint, this.#clock.now());
  }
}
