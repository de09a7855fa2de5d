import { isCrlOld } from "../domain/crl-schedule.ts";
import { Refusal } from "../domain/errors.ts";
import type { Clock, Issuer, Logger } from "../domain/ports.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Change, CrlHead, CrlRecord } from "../domain/records.ts";
import { type Instant, MINUTE, SECOND } from "../domain/time.ts";
import { CrlMaker, type CrlParts } from "./crl-maker.ts";
import { altersCrl } from "./crl.ts";

/** Revocations that come within this share a CRL. */
const COALESCING = 0.2 * SECOND;
/** Of the time, a fortieth goes to CRLs, and the rest to calls and revocations alone: a large one has both wait. */
const REST = 39;
const RETRY = 5 * SECOND;

export interface CrlPublisherParts extends CrlParts {
  /** Those that sign here; the root is not among them. */
  readonly issuers: () => readonly Issuer[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of each CRL before anybody gets it; when it fails, nobody does. */
  readonly onCrl?: (crl: CrlHead) => void;
}

/** Ages in seconds. What was made by another process is known by its octets only. */
export interface CrlStanding {
  readonly issuerId: IssuerId;
  readonly number: number;
  readonly age: number;
  readonly left: number;
  readonly entries?: number;
  readonly deltaEntries?: number;
  /** From the records to its being on record. */
  readonly buildSeconds?: number;
}

/** Keeps the issuing CAs' CRLs fresh while the server runs, and every issuer's at hand. */
export class CrlPublisher {
  readonly #parts: CrlPublisherParts;
  readonly #maker: CrlMaker;
  readonly #made = new Map<IssuerId, Pick<CrlStanding, "entries" | "deltaEntries" | "buildSeconds">>();
  readonly #latest = new Map<IssuerId, CrlRecord>();
  /** Numbers of those that are on record, and cannot be read. */
  readonly #damaged = new Map<IssuerId, number>();
  #wanted = 0;
  #isBehind = false;
  /** When the next one may be begun. */
  #restsUntil: Instant = 0;
  #soon: NodeJS.Timeout | undefined;
  #regularly: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: CrlPublisherParts) {
    this.#parts = parts;
    this.#maker = new CrlMaker(parts);
  }

  /** Publishes what has changed or fallen due while no server ran. */
  async start(): Promise<void> {
    const { database } = this.#parts;
    for (const { id } of await database.issuers.list()) await this.#reload(id);
    this.#wanted = await database.changes.lastOfStatus();
    await this.#publishIfDue();
    this.#regularly = setInterval(() => {
      this.#enqueue();
    }, MINUTE).unref();
  }

  latest(id: IssuerId): CrlRecord | undefined {
    return this.#latest.get(id);
  }

  /** What the gauges show of each issuer's CRL. */
  standing(): readonly CrlStanding[] {
    const now = this.#parts.clock.now();
    return [...this.#latest.values()].map(({ issuerId, number, thisUpdate, nextUpdate }) => ({
      ...{ issuerId, number, age: (now - thisUpdate) / SECOND, left: (nextUpdate - now) / SECOND },
      ...this.#made.get(issuerId),
    }));
  }

  onChanges(changes: readonly Change[]): void {
    const last = changes.findLast(altersCrl);
    if (last) {
      this.#wanted = Math.max(this.#wanted, last.sequence);
      this.#publishSoon(Math.max(COALESCING, this.#rest));
    }
    for (const { action, subject } of changes) {
      if (action === "crl.publish") this.#enqueue(() => this.#reload(subject as IssuerId));
    }
  }

  /** Call it when the database went back: numbers that were served are not used again with other contents. */
  onWentBack(): void {
    this.#isBehind = true;
    this.#enqueue();
  }

  /** Resolves when what it has begun is done. */
  async settled(): Promise<void> {
    await this.#work;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#soon);
    clearInterval(this.#regularly);
    await this.#work;
    await this.#maker.close();
  }

  /** No longer than what is due would wait anyway, whatever the clock says. */
  get #rest(): number {
    return Math.min(this.#restsUntil - this.#parts.clock.now(), MINUTE);
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

  /** Each issuing CA's next one comes at once, above all that were served; the root signs elsewhere. */
  async #goOnAbove(): Promise<void> {
    const { database, logger } = this.#parts;
    await this.#maker.close(); // which forgets what it has read, of what is no more
    for (const { id, role } of await database.issuers.list()) {
      const served = this.#latest.get(id)?.number ?? 0;
      if (role === "issuing") await database.transaction(({ crls }) => crls.raise(id, served));
      else if (((await database.crls.head(id))?.number ?? 0) < served)
        logger.error(
          { issuer: id, number: served },
          "the database has lost this root's CRL: install it again",
        );
    }
    this.#wanted = await database.changes.lastOfStatus();
    this.#isBehind = false;
  }

  async #publishIfDue(): Promise<void> {
    if (this.#isBehind) await this.#goOnAbove();
    const { issuers, clock } = this.#parts;
    const live = issuers().filter(({ notAfter }) => notAfter > clock.now()); // an ended one's word counts no more
    const failures: unknown[] = [];
    for (const issuer of live)
      await this.#publishIfDueFor(issuer).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0]; // the others' are published all the same
  }

  async #publishIfDueFor(issuer: Issuer): Promise<void> {
    const { database, clock, logger, crlLife } = this.#parts;
    const isOld = (head: CrlHead | undefined): boolean => isCrlOld(head, clock.now(), crlLife);
    const isDue = (head: CrlHead): boolean =>
      head.basis < this.#wanted || isOld(head) || this.#damaged.get(issuer.id) === head.number;
    const head = await database.crls.head(issuer.id); // another server may have been here first
    if (head && !isDue(head)) return this.#reload(issuer.id);
    const begun = clock.now();
    const made = await this.#maker.publish({ clock, actor: "system" }, issuer, isDue);
    if (!made) return this.#reload(issuer.id);
    const { crl, entries, deltaEntries } = made;
    this.#made.set(issuer.id, { entries, deltaEntries, buildSeconds: (clock.now() - begun) / SECOND });
    this.#serve(crl);
    logger.info({ issuer: issuer.id, number: crl.number, entries }, "CRL published");
    this.#restsUntil = clock.now() + REST * (clock.now() - begun);
    await this.#maker.tidy(issuer.id);
  }

  /** Takes what is on record, unless it is at hand. */
  async #reload(id: IssuerId): Promise<void> {
    const { crls } = this.#parts.database;
    const head = await crls.head(id);
    if (!head || head.number <= (this.#latest.get(id)?.number ?? 0)) return;
    const crl = await crls.latest(id).catch((error: unknown) => {
      if (!(error instanceof Refusal) || error.code !== "CRL_INVALID") throw error;
      this.#parts.logger.error(
        { err: error, issuer: id },
        "the CRL on record is damaged: the next one is due",
      );
      this.#damaged.set(id, head.number);
      this.#publishSoon(COALESCING);
    });
    if (crl) this.#serve(crl);
  }

  #serve(crl: CrlRecord): void {
    this.#parts.onCrl?.(crl);
    this.#latest.set(crl.issuerId, crl);
  }
}
