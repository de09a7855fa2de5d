import { createHmac, timingSafeEqual } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import type { Clock, RandomBytes } from "../domain/ports.ts";
import { type Instant, MINUTE } from "../domain/time.ts";

const LIFE = 5 * MINUTE;
/** Used ones that are remembered until they expire. */
const MOST_USED = 10_000;

const [TIME, RANDOM, MAC] = [8, 17, 32];
/** A multiple of three: every base64url text of this length has one value, and the reverse. */
const LENGTH = TIME + RANDOM + MAC;

/**
 * Nonces that cost nothing until they are used: each is its end and random octets, with a MAC under a secret of this
 * process, so that a stranger who asks for many fills no memory. Those of another process are unknown here.
 */
export class ProofNonces {
  readonly #clock: Clock;
  readonly #randomBytes: RandomBytes;
  readonly #secret: Uint8Array;
  readonly #used = new Map<string, Instant>();

  constructor(clock: Clock, randomBytes: RandomBytes) {
    this.#clock = clock;
    this.#randomBytes = randomBytes;
    this.#secret = randomBytes(MAC);
  }

  /** Makes one, base64url. */
  issue(): { readonly nonce: string; readonly expiresAt: Instant } {
    const expiresAt = this.#clock.now() + LIFE;
    const end = Buffer.alloc(TIME);
    end.writeBigUInt64BE(BigInt(expiresAt));
    const body = Buffer.concat([end, this.#randomBytes(RANDOM)]);
    return { nonce: Buffer.concat([body, this.#mac(body)]).toString("base64url"), expiresAt };
  }

  /** Throws NONCE_UNKNOWN for what was not made here, NONCE_EXPIRED, NONCE_USED. */
  check(nonce: string): void {
    this.#read(nonce);
  }

  /**
   * Uses one up, at once. Throws what `check` does; UNAVAILABLE when too many were used lately to remember one more.
   *
   * @returns gives it back: nothing came of it.
   */
  use(nonce: string): () => void {
    const expiresAt = this.#read(nonce);
    if (this.#used.size >= MOST_USED) this.#forgetExpired();
    if (this.#used.size >= MOST_USED) throw new Refusal("UNAVAILABLE");
    this.#used.set(nonce, expiresAt);
    return () => this.#used.delete(nonce);
  }

  #read(nonce: string): Instant {
    const octets = Buffer.from(nonce, "base64url");
    const body = octets.subarray(0, -MAC);
    const isOurs =
      octets.length === LENGTH &&
      octets.toString("base64url") === nonce &&
      timingSafeEqual(octets.subarray(-MAC), this.#mac(body));
    if (!isOurs) throw new Refusal("NONCE_UNKNOWN");
    const expiresAt = Number(body.readBigUInt64BE());
    const left = expiresAt - this.#clock.now();
    // More than a whole life is left where the clock was set back.
    if (left <= 0 || left > LIFE) throw new Refusal("NONCE_EXPIRED");
    if (this.#used.has(nonce)) throw new Refusal("NONCE_USED");
    return expiresAt;
  }

  #mac(body: Uint8Array): Buffer {
    return createHmac("sha256", this.#secret).update(body).digest();
  }

  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [nonce, expiresAt] of this.#used) if (expiresAt <= now) this.#used.delete(nonce);
  }
}
