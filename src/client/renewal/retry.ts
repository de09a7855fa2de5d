import { type ErrorCode, Refusal } from "../../domain/errors.ts";
import { HOUR, MINUTE, SECOND } from "../../domain/time.ts";

const FIRST = 5 * SECOND;
const SHORTEST = SECOND;

/** Codes after which this certificate is not renewed any more; only another one helps. */
export const finalCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["CERT_REVOKED", "RENEWED_BEFORE"]);

/** What ends only when somebody does something about it. */
const slow: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "CERT_SUSPENDED",
  "ACCOUNT_SUSPENDED",
  "CERT_EXPIRED",
  "CERT_UNKNOWN",
  "NOT_RENEWABLE",
  "KEY_UNSUPPORTED",
  "KEY_BLOCKED",
  "KEY_IN_USE",
]);

/**
 * How long to wait before the next try: 5 s at first, twice as long after each fault, up to a minute, or up to an hour
 * where a twentieth of what is left of the certificate's life is as much; half of that is left to chance, so that not all
 * of a fleet come back at once. Three tries at least fall into what is left.
 *
 * @param failures in a row, this one among them
 * @param left of the certificate's life, if that is known; milliseconds, as what is returned
 * @param random from 0 to 1
 */
export function retryAfter(
  failures: number,
  fault: { readonly code: ErrorCode | undefined; readonly left: number | undefined },
  random: number,
): number {
  const { code, left = 0 } = fault;
  const isSlow = slow.has(code);
  const longest = isSlow ? HOUR : Math.min(HOUR, Math.max(MINUTE, left / 20));
  const wait = Math.min((isSlow ? MINUTE : FIRST) * 2 ** Math.min(failures - 1, 20), longest);
  const jittered = wait * (1 + random) * 0.5;
  return left > 0 ? Math.min(jittered, Math.max(left / 3, SHORTEST)) : jittered;
}

/** Faults in a row, and the wait after them. */
export class Retry {
  readonly #random: () => number;
  #failures = 0;
  #wait = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get isPending(): boolean {
    return this.#failures > 0;
  }

  /** Milliseconds until the next try. */
  get wait(): number {
    return this.#wait;
  }

  failed(code: ErrorCode, left: number | undefined): number {
    this.#failures += 1;
    this.#wait = retryAfter(this.#failures, { code, left }, this.#random());
    return this.#wait;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#wait = 0;
  }

  pass(milliseconds: number): void {
    this.#wait = Math.max(0, this.#wait - milliseconds);
  }
}

/** What went wrong, in a code and a sentence. */
export function faultOf(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  if (error instanceof Refusal) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}
