import type { Fingerprint, IssuerId, Serial } from "../../domain/identifiers.ts";
import type { Standing } from "../../domain/ocsp.ts";
import type { Stores } from "../../domain/ports.ts";
import type { Change } from "../../domain/records.ts";
import { altersCrl } from "../crl.ts";
import { StandingDesk } from "./standing-desk.ts";

const MOST_CERTIFICATES = 50_000;
const MOST_OCTETS = 32 * 1024 * 1024;

/** A certificate on record, as it stands, and the answers that were signed of that. */
export interface Kept<Answer> {
  readonly standing: Standing;
  readonly answers: Map<string, Answer>;
}

/**
 * How certificates stand, kept in memory until a change says that they don't stand so any more. What is not on record is
 * not kept: strangers can make up any number of it, and it may be issued next.
 */
export class Standings<Answer extends { readonly der: Uint8Array }> {
  readonly #desk: StandingDesk;
  readonly #kept = new Map<string, Kept<Answer>>();
  readonly #keys = new Map<Fingerprint, string>();
  #octets = 0;
  /** Counts what changed: what was read before a change is not kept after it. */
  #generation = 0;

  constructor(stores: Stores) {
    this.#desk = new StandingDesk(stores);
  }

  /** Those on record, by serial. Throws UNAVAILABLE. */
  async find(issuer: IssuerId, serials: readonly Serial[]): Promise<ReadonlyMap<Serial, Kept<Answer>>> {
    const found = new Map<Serial, Kept<Answer>>();
    const missing: Serial[] = [];
    for (const serial of serials) {
      const kept = this.#kept.get(keyOf(issuer, serial));
      if (kept) found.set(serial, kept);
      else missing.push(serial);
    }
    if (missing.length === 0) return found;
    const generation = this.#generation;
    for (const standing of await this.#desk.ask(issuer, missing)) {
      const kept = { standing, answers: new Map<string, Answer>() };
      if (generation === this.#generation) this.#keep(keyOf(issuer, standing.serial), kept);
      found.set(standing.serial, kept);
    }
    return found;
  }

  /** Keeps an answer for as long as what it says is kept. */
  keepAnswer(kept: Kept<Answer>, name: string, answer: Answer): void {
    const { standing, answers } = kept;
    const key = this.#keys.get(standing.fingerprint);
    if (key === undefined || this.#kept.get(key) !== kept) return; // it has changed meanwhile
    this.#octets += answer.der.length - (answers.get(name)?.der.length ?? 0);
    answers.set(name, answer);
    this.#makeRoom();
  }

  onChanges(changes: readonly Change[]): void {
    const accounts = new Set<string>();
    for (const change of changes) {
      const { action, subject } = change;
      if (action.startsWith("issuer.")) this.#forgetAll();
      else if (!altersCrl(change)) continue;
      else if (action.startsWith("account.")) accounts.add(subject);
      this.#generation += 1;
      const key = this.#keys.get(subject as Fingerprint);
      if (key !== undefined) this.#forget(key);
    }
    if (accounts.size === 0) return;
    for (const [key, { standing }] of this.#kept) {
      if (standing.account !== undefined && accounts.has(standing.account)) this.#forget(key);
    }
  }

  /** From a database that went back. */
  onWentBack(): void {
    this.#forgetAll();
    this.#generation += 1;
  }

  #keep(key: string, kept: Kept<Answer>): void {
    this.#forget(key);
    this.#kept.set(key, kept);
    this.#keys.set(kept.standing.fingerprint, key);
    this.#makeRoom();
  }

  /** The oldest go first. */
  #makeRoom(): void {
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= MOST_CERTIFICATES && this.#octets <= MOST_OCTETS) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (!kept) return;
    this.#kept.delete(key);
    this.#keys.delete(kept.standing.fingerprint);
    for (const { der } of kept.answers.values()) this.#octets -= der.length;
  }

  #forgetAll(): void {
    for (const key of this.#kept.keys()) this.#forget(key);
  }
}

function keyOf(issuer: IssuerId, serial: Serial): string {
  return `${issuer}/${serial}`;
}
