import type { CrlPoint } from "../domain/records.ts";
import { HOLD, REMOVED } from "../domain/revocation.ts";
import { type PageEntry, entryOf, isReason, isRemoval, readPage } from "./crl-entries.ts";
import { type CrlSegment, type Edit, SegmentWriter } from "./crl-segment.ts";

/** Encoded entries, which may be far apart. */
export interface EntryParts {
  readonly parts: readonly Uint8Array[];
  readonly count: number;
}

/** Whether a delta says something else of it already. */
function isListed(entry: PageEntry | undefined, floor: number): boolean {
  return entry !== undefined && (isRemoval(entry) || entry.notAfter >= floor);
}

/**
 * An issuer's list, encoded, in the order of the serials and in segments. A change copies the segments that it touches.
 */
export class CrlList {
  #segments: CrlSegment[] = [];
  /** What comes after all segments, as long as entries come in order. */
  readonly #tail = new SegmentWriter();
  /** The last serial. */
  #last = "";
  /** What changes have touched, and the change up to which that is news. */
  readonly #touched = new Map<string, { readonly entry: PageEntry; readonly mark: number }>();
  /** Suspensions, and what changed since the base, that left because their certificates ended. */
  readonly #ended = new Map<string, PageEntry>();

  /** Takes the entries of a page, which are in the order of their serials but for a few. */
  put(page: string, mark?: number): void {
    let changed: PageEntry[] = [];
    for (const entry of readPage(page)) {
      if (mark !== undefined) this.#touched.set(entry.serial, { entry, mark });
      const before = changed.at(-1);
      if (before && before.serial >= entry.serial) {
        this.#change(changed);
        changed = [];
      }
      if (changed.length === 0 && entry.serial > this.#last) this.#append(entry);
      else changed.push(entry);
    }
    if (changed.length > 0) this.#change(changed);
  }

  /** Drops what expired before. */
  expire(floor: number): void {
    this.#seal();
    this.#rebuild((segment) => {
      const edits: Edit[] = [];
      for (let index = 0; index < segment.count; index += 1) {
        const notAfter = segment.notAfter(index);
        if (notAfter >= floor) continue;
        edits.push({ index, isThere: true, entry: undefined });
        if (!isReason(segment.entry(index), HOLD)) continue;
        const serial = segment.serial(index);
        this.#ended.set(serial, { serial, at: 0, code: REMOVED, notAfter });
      }
      return edits;
    });
  }

  full(): EntryParts {
    this.#seal();
    const count = this.#segments.reduce((all, segment) => all + segment.count, 0);
    return { parts: this.#segments.map(({ bytes }) => bytes), count };
  }

  /**
   * What changed since the base, with removeFromCRL for what is no longer on the list: released from hold (RFC 5280
   * §5.2.4), or suspended when it expired (§5.3.1). Forgets what was before the base.
   *
   * @param floor the list's, see `expire`
   * @param at the date that removals carry
   */
  delta(base: CrlPoint, floor: number, at: number): EntryParts {
    const entries: PageEntry[] = [];
    for (const [serial, { entry, mark }] of this.#touched) {
      if (mark <= base.basis) this.#touched.delete(serial);
      else if (isRemoval(entry)) entries.push({ ...entry, at });
      else if (entry.notAfter >= floor) entries.push(entry);
      else this.#ended.set(serial, { ...entry, code: REMOVED });
    }
    for (const [serial, entry] of this.#ended) {
      if (entry.notAfter < base.floor) this.#ended.delete(serial);
      else if (!isListed(this.#touched.get(serial)?.entry, floor)) entries.push({ ...entry, at });
    }
    entries.sort((one, other) => (one.serial < other.serial ? -1 : 1));
    return { parts: entries.map(entryOf), count: entries.length };
  }

  #append(entry: PageEntry): void {
    if (isRemoval(entry)) return;
    if (this.#tail.isFull) this.#seal();
    const before = this.#segments.at(-1);
    if (this.#tail.isEmpty && before?.hasRoom) {
      this.#tail.copy(before, 0, before.count);
      this.#segments.pop();
    }
    this.#tail.append(entry);
    this.#last = entry.serial;
  }

  #seal(): void {
    this.#segments.push(...this.#tail.finish());
  }

  /** Puts entries, in the order of their serials, where they belong, or takes them out. */
  #change(entries: readonly PageEntry[]): void {
    this.#seal();
    if (this.#segments.length === 0) {
      for (const entry of entries) this.#append(entry);
      return;
    }
    let next = 0;
    this.#rebuild((segment, following) => {
      const edits: Edit[] = [];
      for (; next < entries.length; next += 1) {
        const entry = entries[next];
        if (!entry || (following && entry.serial >= following.first)) break;
        edits.push(segment.editFor(entry.serial, isRemoval(entry) ? undefined : entry));
      }
      return edits;
    });
  }

  /** @param editsOf asked of each segment in turn; the order of edits is that of the serials */
  #rebuild(editsOf: (segment: CrlSegment, following: CrlSegment | undefined) => readonly Edit[]): void {
    const before = this.#segments;
    this.#segments = before.flatMap((segment, position) => {
      const edits = editsOf(segment, before[position + 1]);
      return edits.length === 0 ? [segment] : segment.edited(edits);
    });
    this.#last = this.#segments.at(-1)?.last ?? "";
  }
}
