import type { Clock, Codec, Database, Issuer, Logger } from "../domain/ports.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Change, CrlRecord } from "../domain/records.ts";
import { MINUTE, SECOND } from "../domain/time.ts";
import { altersCrl, crlRenewalTime, publishCrl } from "./crl.ts";

/** Revocations that come within this share a CRL. */
const COALESCING = 0.2 * SECOND;
const RETRY = 5 * SECOND;

interface Parts {
  readonly database: Database;
  readonly codec: Codec;
  /** Those that sign here; the root is not among them. */
  readonly issuers: () => readonly Issuer[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the issuing CAs' CRLs fresh while the server runs, and every issuer's at hand. */
export class CrlPublisher {
  readonly #parts: Parts;
  readonly #latest = new Map<IssuerId, CrlRecord>();
  #wanted = 0;
  #soon: NodeJS.Timeout | undefined;
  #regularly: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Publishes what has changed or fallen due while no server ran. */
  async start(): Promise<void> {
    const { database } = this.#parts;
    for (const { id } of await database.issuers.list()) await this.#reload(id);
    this.#wanted = await database.changes.last();
    await this.#publishIfDue();
    this.#regularly = setInterval(() => {
      this.#enqueue();
    }, MINUTE).unref();
  }

  latest(id: IssuerId): CrlRecord | undefined {
    return this.#latest.get(id);
  }

  onChanges(changes: readonly Change[]): void {
    const last = changes.findLast(altersCrl);
    if (last) {
      this.#wanted = Math.max(this.#wanted, last.sequence);
      this.#publishSoon(COALESCING);
    }
    for (const { action, subject } of changes) {
      if (action === "crl.publish") this.#enqueue(() => this.#reload(subject as IssuerId));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#soon);
    clearInterval(this.#regularly);
    await this.#work;
  }

  #publishSoon(delay: number): void {
    if (this.#stopped) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#enqueue();
    }, delay);
  }

  #enqueue(work = (): Promise<void> => this.#publishIfDue()): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.#parts.logger.error({ err: error }, "the CRL could not be published; trying again");
      this.#publishSoon(RETRY);
    });
  }

  async #publishIfDue(): Promise<void> {
    const { issuers, clock } = this.#parts;
    const live = issuers().filter(({ notAfter }) => notAfter > clock.now()); // an ended one's word counts no more
    const failures: unknown[] = [];
    for (const issuer of live)
      await this.#publishIfDueFor(issuer).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0]; // the others' are published all the same
  }

  async #publishIfDueFor(issuer: Issuer): Promise<void> {
    const { database, codec, clock, logger } = this.#parts;
    const latest = await database.crls.latest(issuer.id); // another server may have been here first
    const isDue = !latest || latest.basis < this.#wanted || clock.now() >= crlRenewalTime(latest);
    const crl = isDue ? await publishCrl(database, { clock, actor: "system" }, codec, issuer) : latest;
    this.#latest.set(issuer.id, crl);
    if (isDue) logger.info({ issuer: issuer.id, number: crl.number }, "CRL published");
  }

  async #reload(id: IssuerId): Promise<void> {
    const crl = await this.#parts.database.crls.latest(id);
    if (crl) this.#latest.set(id, crl);
  }
}
