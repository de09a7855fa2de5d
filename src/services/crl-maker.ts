import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { IssuerId } from "../domain/identifiers.ts";
import type { CrlBuilder, SignedCrls } from "../domain/crl.ts";
import { CRL_LIFE, type CrlPlan, planCrl } from "../domain/crl-schedule.ts";
import type { Database, Issuer } from "../domain/ports.ts";
import type { CrlHead, CrlRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { type Mutation, recordChange } from "./record-change.ts";

export interface CrlParts {
  readonly database: Database;
  /** An empty list, in a thread of its own if it is to be large. */
  readonly newCrlBuilder: (isLarge: boolean) => CrlBuilder;
  /** Where deltas are served. */
  readonly publicUrl: string;
  /** How long a CRL on schedule is valid (24 hours); milliseconds. */
  readonly crlLife?: number;
}

/** From here on a list has a thread of its own: what is below takes a few milliseconds. */
const LARGE = 5000;
/** What one takes in a page: a serial of 18 octets, a date, a reason and an end. */
const ENTRY_TEXT = 60;
/** Pages that are read while earlier ones are encoded, or while the thread for it starts. */
const AHEAD = 20;
/** A delta that tells of more is no shorter to fetch: whoever has an older list fetches the full one. */
const LONGEST_DELTA = 20_000;
/** Octets that are stored in one transaction: a few milliseconds, between which others write. */
const PIECE = 1 << 18;

/** Between pieces that nobody waits for; milliseconds. */
const PAUSE = 8;

export interface MadeCrl {
  readonly crl: CrlRecord;
  readonly entries: number;
  readonly deltaEntries: number;
}

/** An issuer's list, as far as it has been read. */
interface Kept {
  readonly builder: CrlBuilder;
  readonly isLarge: boolean;
  /** What it was read from: what had not expired before, and what has changed after, for deltas. */
  readonly floor: Instant;
  readonly since: number;
  /** The change up to which it is current. */
  basis: number;
  /** What had expired before this is not on it any more. */
  dropped: Instant;
}

/** Makes the CRLs of issuing CAs: full and delta together, from lists that it keeps. */
export class CrlMaker {
  readonly #parts: CrlParts;
  readonly #kept = new Map<IssuerId, Kept>();

  constructor(parts: CrlParts) {
    this.#parts = parts;
  }

  /**
   * Signs and records an issuer's next CRL, and a delta of the same number. What was read, built and signed meanwhile is
   * thrown away when another process has taken the number: a CRL is on record before anybody sees it, and the database
   * is free while it is built.
   *
   * @param isWanted asked again when another process was quicker; false leaves it at that
   */
  async publish(
    mutation: Mutation,
    issuer: Issuer,
    isWanted: (latest: CrlHead) => boolean = () => true,
  ): Promise<MadeCrl | undefined> {
    const { database } = this.#parts;
    for (;;) {
      const previous = await database.crls.head(issuer.id);
      if (previous && !isWanted(previous)) return undefined;
      const made = await this.#attempt(mutation, issuer, previous).catch(async (error: unknown) => {
        await this.#forget(issuer.id); // its state is not known
        throw error;
      });
      if (made) return made;
    }
  }

  /** Removes the octets of large CRLs that were replaced: piece by piece, too, and without haste: the new one is out. */
  async tidy(id: IssuerId): Promise<void> {
    while (await this.#parts.database.transaction((stores) => stores.crls.unstage(id))) await sleep(PAUSE);
  }

  async close(): Promise<void> {
    for (const id of [...this.#kept.keys()]) await this.#forget(id);
  }

  async #attempt(
    mutation: Mutation,
    issuer: Issuer,
    previous: CrlHead | undefined,
  ): Promise<MadeCrl | undefined> {
    const { database } = this.#parts;
    const basis = await database.changes.last();
    const { crlLife = CRL_LIFE } = this.#parts;
    const plan = planCrl({ head: previous, issuer, now: mutation.clock.now(), basis, life: crlLife });
    const signed = await this.#sign(issuer, plan, basis);
    const { number, thisUpdate, nextUpdate } = plan;
    const crl: CrlRecord = {
      ...{ issuerId: issuer.id, number, thisUpdate, nextUpdate, basis },
      ...{ scheduled: plan.scheduled, base: plan.base, der: signed.der, delta: signed.delta },
    };
    const staging = signed.der.length > PIECE ? await this.#stage(crl) : undefined;
    const isRecorded = await database.transaction(async (stores) => {
      if ((await stores.crls.head(issuer.id))?.number !== previous?.number) return false;
      const detail = { number, entries: signed.entries, base: plan.base.number, delta: signed.deltaEntries };
      await recordChange(stores, mutation, "crl.publish", issuer.id, detail);
      await stores.crls.replace(crl, staging);
      return true;
    });
    const { entries, deltaEntries } = signed;
    return isRecorded ? { crl, entries, deltaEntries } : undefined;
  }

  async #sign(issuer: Issuer, plan: CrlPlan, basis: number): Promise<SignedCrls> {
    const { publicUrl } = this.#parts;
    const kept = await this.#current(issuer.id, plan, basis);
    const deltaUrl = `${publicUrl}/crl/${issuer.id}-delta.crl`;
    kept.dropped = plan.floor;
    const signed = await kept.builder.sign(issuer, { ...plan, deltaUrl });
    if (signed.deltaEntries > LONGEST_DELTA) {
      const { number, thisUpdate: at, floor } = plan;
      plan.scheduled = plan.base = { number, at, basis, floor };
      return kept.builder.sign(issuer, { ...plan, deltaUrl });
    }
    if (!kept.isLarge && signed.entries > LARGE) await this.#forget(issuer.id); // into a thread next time
    return signed;
  }

  /** The list, current up to `basis`. */
  async #current(id: IssuerId, plan: CrlPlan, basis: number): Promise<Kept> {
    const { base, scheduled, number } = plan;
    const floor = Math.min(base.floor, plan.floor);
    const kept = this.#kept.get(id);
    // A restored database may know less than the list; and a clock that was ahead had it leave too much out.
    const isOfThese = kept && kept.basis <= basis && kept.dropped <= plan.floor;
    if (isOfThese && kept.floor <= floor && kept.since <= base.basis) {
      await this.#update(id, kept, basis);
      return kept;
    }
    await this.#forget(id);
    const read = await this.#read(id, floor, base.basis);
    this.#kept.set(id, read);
    // In two steps, for a later delta starts at the second one.
    if (scheduled.number < number) await this.#update(id, read, scheduled.basis);
    await this.#update(id, read, basis);
    return read;
  }

  /** Reads the whole list. What changes meanwhile is in `#update`, which follows. */
  async #read(id: IssuerId, floor: Instant, since: number): Promise<Kept> {
    const { database, newCrlBuilder } = this.#parts;
    const held: string[] = [];
    const putting: Promise<void>[] = [];
    let [builder, length]: [CrlBuilder | undefined, number] = [undefined, 0];
    try {
      for await (const page of database.certificates.crlPages(id, { floor })) {
        held.push(page);
        length += page.length;
        if (!builder && length > LARGE * ENTRY_TEXT) builder = newCrlBuilder(true);
        if (builder) putting.push(...putAll(builder, held.splice(0)));
        while (putting.length > AHEAD) await putting.shift();
      }
      const isLarge = builder !== undefined;
      builder ??= newCrlBuilder(false);
      await Promise.all([...putting, ...putAll(builder, held)]);
      return { builder, isLarge, floor, dropped: floor, since, basis: since };
    } catch (error) {
      await builder?.close();
      throw error;
    }
  }

  async #update(id: IssuerId, kept: Kept, until: number): Promise<void> {
    if (until <= kept.basis) return;
    const selection = { since: kept.basis, until };
    for await (const page of this.#parts.database.certificates.crlPages(id, selection))
      await kept.builder.put(page, until);
    kept.basis = until;
  }

  async #forget(id: IssuerId): Promise<void> {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    await kept?.builder.close();
  }

  async #stage(crl: CrlRecord): Promise<string> {
    const staging = randomUUID();
    for (let start = 0; start < crl.der.length; start += PIECE) {
      const piece = crl.der.subarray(start, start + PIECE);
      await this.#parts.database.transaction((stores) =>
        stores.crls.stage(crl, staging, start / PIECE, piece),
      );
    }
    return staging;
  }
}

/** Of one that fails, all later ones do; whoever awaits the first of them hears it. */
function putAll(builder: CrlBuilder, pages: readonly string[]): Promise<void>[] {
  return pages.map((page) => {
    const putting = builder.put(page);
    putting.catch(() => undefined);
    return putting;
  });
}
