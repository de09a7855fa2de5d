import { randomUUID } from "node:crypto";
import type { IssuerId } from "../domain/identifiers.ts";
import type { CrlBuilder, CrlWanted, SignedCrls } from "../domain/crl.ts";
import type { Database, Issuer } from "../domain/ports.ts";
import type { CrlHead, CrlPoint, CrlRecord } from "../domain/records.ts";
import { type Instant, wholeSeconds } from "../domain/time.ts";
import { CRL_LIFE, isCrlOld } from "./crl.ts";
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
/** A delta that tells of more is no shorter to fetch: whoever has an older list fetches the full one. */
const LONGEST_DELTA = 20_000;
/** Octets that are stored in one transaction: some milliseconds, between which others write. */
const PIECE = 4 << 20;

export interface MadeCrl {
  readonly crl: CrlRecord;
  readonly entries: number;
  readonly deltaEntries: number;
}

/** An issuer's list, as far as it has been read. */
interface Kept {
  readonly builder: CrlBuilder;
  readonly isLarge: boolean;
  /** The change up to which it is current, and what it was read from. */
  basis: number;
  /** What it was read from, and what it has left out since. */
  readonly floor: Instant;
  dropped: Instant;
  readonly since: number;
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

  /** Removes the octets of large CRLs that were replaced: piece by piece, too, and when the new one is out. */
  async tidy(id: IssuerId): Promise<void> {
    while (await this.#parts.database.transaction((stores) => stores.crls.unstage(id)));
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
    const plan = planFor({ head: previous, issuer, now: mutation.clock.now(), basis, life: crlLife });
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

  async #sign(issuer: Issuer, plan: Plan, basis: number): Promise<SignedCrls> {
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
  async #current(id: IssuerId, plan: Plan, basis: number): Promise<Kept> {
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

/** A serial of 18 octets, a date, a reason and an end. */
const ENTRY_TEXT = 60;
/** Pages that are read while earlier ones are encoded, or while the thread for it starts. */
const AHEAD = 20;

/** Of one that fails, all later ones do; whoever awaits the first of them hears it. */
function putAll(builder: CrlBuilder, pages: readonly string[]): Promise<void>[] {
  return pages.map((page) => {
    const putting = builder.put(page);
    putting.catch(() => undefined);
    return putting;
  });
}

interface Plan extends Omit<CrlWanted, "deltaUrl"> {
  scheduled: CrlPoint;
  base: CrlPoint;
}

/**
 * Deltas start from the scheduled CRL before the last one, so that whoever has any full CRL that is still valid can use
 * them (RFC 5280 §5.2.4): what is made in between ends with the scheduled one before it, and the next scheduled
 * one comes at half of that life. Certificates leave with a scheduled one, when they had expired before the
 * scheduled one before it: they were on one more of those (§3.3).
 */
function planFor(from: {
  readonly head: CrlHead | undefined;
  readonly issuer: Issuer;
  readonly now: Instant;
  readonly basis: number;
  readonly life: number;
}): Plan {
  const { head, now, life } = from;
  const number = (head?.number ?? 0) + 1;
  const thisUpdate = wholeSeconds(now);
  if (head?.scheduled && !isCrlOld(head, now, life)) {
    const { scheduled, base = scheduled, nextUpdate } = head;
    return { number, thisUpdate, nextUpdate, scheduled, base, floor: scheduled.floor };
  }
  const before = head?.scheduled?.at ?? head?.thisUpdate ?? 0;
  // By a clock that was ahead: nobody knows what was left out then, so all that may be on it comes back.
  const isOfLater = before > thisUpdate;
  const floor = isOfLater ? thisUpdate - life : before;
  const scheduled = { number, at: thisUpdate, basis: from.basis, floor };
  const base = isOfLater ? scheduled : (head?.scheduled ?? scheduled);
  const nextUpdate = Math.min(thisUpdate + life, from.issuer.notAfter);
  return { number, thisUpdate, nextUpdate, scheduled, base, floor };
}
