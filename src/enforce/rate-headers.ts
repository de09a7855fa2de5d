import type { Decision } from "../domain/decision.ts";
import { SECOND } from "../domain/time.ts";

/**
 * The headers that tell a limited caller how it stands (draft-ietf-httpapi-ratelimit-headers-10): `q` is what fits into a
 * window of `w` seconds, `r` what may be asked at once, `t` after how many seconds all of that is there again.
 *
 * @returns none for whoever has no limit
 */
export function rateHeaders({ rates = [] }: Pick<Decision, "rates">): [name: string, value: string][] {
  if (rates.length === 0) return [];
  const policies = rates.map(({ of, rate }) => `"${of}";q=${String(rate.count)};w=${seconds(rate.interval)}`);
  const standings = rates.map(
    ({ of, remaining, untilFull }) => `"${of}";r=${String(remaining)};t=${seconds(untilFull)}`,
  );
  return [
    ["RateLimit-Policy", policies.join(", ")],
    ["RateLimit", standings.join(", ")],
  ];
}

/** After how many seconds a refused request may be made again; one at least (RFC 9110 §10.2.3). */
export function retryAfter({ rates = [] }: Pick<Decision, "rates">): string {
  return seconds(Math.max(1, ...rates.map(({ untilNext }) => untilNext)));
}

function seconds(milliseconds: number): string {
  return String(Math.ceil(milliseconds / SECOND));
}
