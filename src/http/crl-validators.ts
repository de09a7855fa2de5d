import { createHash } from "node:crypto";
import type { Clock } from "../domain/ports.ts";
import { type Instant, SECOND, wholeSeconds } from "../domain/time.ts";

/** What a client may ask by whether the CRL that it has is still the latest (RFC 9110 §8.8). */
export interface Validators {
  /** Of its DER form. */
  readonly tag: string;
  readonly lastModified: Instant;
}

/** More than the longest signature, which is last in a CRL: ML-DSA-87's has 4,627 octets. */
const TAIL = 8 * 1024;

/** The validators of CRLs, each made once, when it is first asked for: by its octets, full and delta apart. */
export class CrlValidators {
  readonly #clock: Clock;
  readonly #known = new WeakMap<Uint8Array, Validators>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(number: number, der: Uint8Array): Validators {
    const known = this.#known.get(der);
    if (known) return known;
    const validators = { tag: tagOf(number, der), lastModified: this.#from() };
    this.#known.set(der, validators);
    return validators;
  }

  /**
   * A time from which on nobody got the CRL before: HTTP's dates are whole seconds, and several CRLs are made in one. So
   * not thisUpdate, but the first whole second at least one after it was first served.
   */
  #from(): Instant {
    return wholeSeconds(this.#clock.now() + 2 * SECOND - 1);
  }
}

/**
 * A strong validator: the signature is over everything else, and no two contents have the same one. So its octets are
 * enough, and 46 MB need not be hashed while others wait. The number alone is not: after a restore it comes again.
 */
function tagOf(number: number, der: Uint8Array): string {
  const hash = createHash("sha256")
    .update(`${String(der.length)} `)
    .update(der.subarray(-TAIL));
  return `${String(number)}-${hash.digest("hex").slice(0, 32)}`;
}
