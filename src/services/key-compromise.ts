import { Allowance } from "../domain/allowance.ts";
import { Refusal } from "../domain/errors.ts";
import type { SpkiHash } from "../domain/identifiers.ts";
import type { Clock, Database, KeyProofs, Logger, RandomBytes } from "../domain/ports.ts";
import { compromiseMessage } from "../domain/proof-of-possession.ts";
import type { Instant } from "../domain/time.ts";
import { type Blocking, blockKey } from "./keys.ts";
import { ProofNonces } from "./proof-nonces.ts";

/** Proofs that are looked at: a signature to verify and a look-up each, and anybody may send them. */
const LIMITS = { rate: 10, burst: 30 } as const;

export interface CompromiseProof {
  /** As the server gave it. */
  readonly nonce: string;
  /** SubjectPublicKeyInfo, PEM or base64 of DER. */
  readonly publicKey: string;
  /** Over `compromiseMessage(nonce)`. */
  readonly signature: Uint8Array;
}

/** Where anybody who holds a key can prove it, which ends the key. */
export class KeyCompromiseDesk {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #keys: KeyProofs;
  readonly #logger: Logger;
  readonly #nonces: ProofNonces;
  readonly #allowance: Allowance;

  constructor(parts: {
    readonly database: Database;
    readonly clock: Clock;
    readonly keys: KeyProofs;
    readonly randomBytes: RandomBytes;
    readonly logger: Logger;
  }) {
    this.#database = parts.database;
    this.#clock = parts.clock;
    this.#keys = parts.keys;
    this.#logger = parts.logger;
    this.#nonces = new ProofNonces(parts.clock, parts.randomBytes);
    this.#allowance = new Allowance(parts.clock, LIMITS);
  }

  issueNonce(): { readonly nonce: string; readonly expiresAt: Instant } {
    return this.#nonces.issue();
  }

  /**
   * Takes a proof: revokes every live certificate with that key as keyCompromise, suspends what came of any by renewal, and
   * blocks the key, in one transaction.
   * A refused proof changes nothing, and leaves its nonce to be used.
   *
   * @throws Refusal NONCE_UNKNOWN, NONCE_EXPIRED, NONCE_USED; RATE_LIMITED; BODY_MALFORMED, KEY_UNSUPPORTED, KEY_WEAK;
   *   PROOF_INVALID; NOT_FOUND for a key that was never seen here, KEY_IN_USE for one of our own, STATE_UNCHANGED.
   */
  async prove(proof: CompromiseProof): Promise<Blocking & { readonly spkiHash: SpkiHash }> {
    this.#nonces.check(proof.nonce);
    if (!this.#allowance.take()) throw new Refusal("RATE_LIMITED");
    const key = this.#keys.readKey(proof.publicKey);
    const { spkiHash } = key;
    // Before anything is looked up: only who holds a key learns whether it is known here.
    if (!this.#keys.isSignedBy(key, compromiseMessage(proof.nonce), proof.signature)) {
      throw new Refusal("PROOF_INVALID");
    }
    await this.#requireClientKey(spkiHash);
    const giveBack = this.#nonces.use(proof.nonce);
    try {
      const mutation = { clock: this.#clock, actor: `key:${spkiHash}` };
      const blocking = await blockKey(this.#database, mutation, key, "somebody proved to hold it");
      const [revoked, suspended] = [blocking.revoked.length, blocking.suspended.length];
      this.#logger.warn({ spkiHash, revoked, suspended }, "a key was blocked: it has leaked");
      return { ...blocking, spkiHash };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** A stranger's own keys are not to fill our record; ours are for us to replace, not for a stranger to switch off. */
  async #requireClientKey(spkiHash: SpkiHash): Promise<void> {
    const [known] = await this.#database.keys.byHashes([spkiHash]);
    if (!known) throw new Refusal("NOT_FOUND", "No certificate here was ever issued for this key.");
    if (known.accountId === undefined && known.blockedAt === undefined) {
      this.#logger.error({ spkiHash }, "somebody proved to hold a key of this CA itself: replace it");
      throw new Refusal("KEY_IN_USE", "This is a key of the CA itself. Tell those who run it.");
    }
  }
}
