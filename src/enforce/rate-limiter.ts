import { Allowance } from "../domain/allowance.ts";
import type { Credential, RateStanding } from "../domain/decision.ts";
import type { Rate } from "../domain/call-limits.ts";
import type { Clock } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";

interface Bucket {
  readonly rate: Rate;
  readonly allowance: Allowance;
}

/** Beyond this many, those that are full again are dropped: they say nothing. */
const MANY = 10_000;

/** What is left of the rates of accounts and credentials; whoever has no limit costs nothing. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = MANY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a request, if all of its limits allow it. None of them counts one that another refuses. */
  take(credential: Credential): { readonly isWithin: boolean; readonly standings: readonly RateStanding[] } {
    const { account, limits, fingerprint } = credential;
    const buckets: [RateStanding["of"], Bucket][] = [];
    if (account.rate) buckets.push(["account", this.#bucket(account.slug, account.rate)]);
    if (limits?.rate) buckets.push(["credential", this.#bucket(fingerprint, limits.rate)]);
    const isWithin = buckets.every(([, { allowance }]) => allowance.left >= 1);
    if (isWithin) for (const [, { allowance }] of buckets) allowance.take();
    return { isWithin, standings: buckets.map(([of, bucket]) => standingOf(of, bucket)) };
  }

  /** One that is as the limit now is; what was used of an earlier limit stays used. */
  #bucket(key: string, rate: Rate): Bucket {
    const known = this.#buckets.get(key);
    if (known && isSame(known.rate, rate)) return known;
    const { count, interval, burst } = rate;
    const limits = { rate: (count * SECOND) / interval, burst };
    const bucket = { rate, allowance: new Allowance(this.#clock, limits, known?.allowance.left) };
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#sweepAt) this.#sweep();
    return bucket;
  }

  #sweep(): void {
    for (const [key, { rate, allowance }] of this.#buckets) {
      if (allowance.left >= rate.burst) this.#buckets.delete(key);
    }
    this.#sweepAt = Math.max(MANY, this.#buckets.size * 2);
  }
}

function isSame(one: Rate, other: Rate): boolean {
  return one.count === other.count && one.interval === other.interval && one.burst === other.burst;
}

function standingOf(of: RateStanding["of"], { rate, allowance }: Bucket): RateStanding {
  return {
    of,
    rate,
    remaining: Math.floor(allowance.left),
    untilNext: allowance.until(1),
    untilFull: allowance.until(rate.burst),
  };
}
