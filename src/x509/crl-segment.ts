import { LONGEST_ENTRY, type PageEntry, serialAt, writeEntry } from "./crl-entries.ts";

/** Entries at most: what one change has to copy. */
const MOST = 4096;

/** A change of a segment: in the place of the entry at `index`, or before it; `undefined` takes it out. */
export interface Edit {
  readonly index: number;
  readonly isThere: boolean;
  readonly entry: PageEntry | undefined;
}

/** Some of a list's entries, encoded one after the other in the order of their serials. It is never changed. */
export class CrlSegment {
  readonly bytes: Buffer;
  readonly count: number;
  /** The first serial, as pages have it. */
  readonly first: string;
  /** Where each entry ends, and when its certificate does. */
  readonly #ends: Uint32Array;
  readonly #notAfter: Float64Array;

  constructor(bytes: Buffer, ends: Uint32Array, notAfter: Float64Array) {
    [this.bytes, this.#ends, this.#notAfter, this.count] = [bytes, ends, notAfter, ends.length];
    this.first = serialAt(bytes, 0);
  }

  get last(): string {
    return this.serial(this.count - 1);
  }

  get hasRoom(): boolean {
    return this.count < MOST;
  }

  start(index: number): number {
    return index === 0 ? 0 : (this.#ends[index - 1] ?? 0);
  }

  notAfter(index: number): number {
    return this.#notAfter[index] ?? 0;
  }

  serial(index: number): string {
    return serialAt(this.bytes, this.start(index));
  }

  entry(index: number): Buffer {
    return this.bytes.subarray(this.start(index), this.start(index + 1));
  }

  /** By halving: where the serial is, or would be. */
  editFor(serial: string, entry: PageEntry | undefined): Edit {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.serial(middle) < serial) low = middle + 1;
      else high = middle;
    }
    return { index: low, isThere: low < this.count && this.serial(low) === serial, entry };
  }

  /** With changes, in the order of their serials; in equal parts when it is too much for one. */
  edited(edits: readonly Edit[]): CrlSegment[] {
    let total = this.count;
    for (const { isThere, entry } of edits) total += (entry ? 1 : 0) - (isThere ? 1 : 0);
    if (total === 0) return [];
    const writer = new SegmentWriter(Math.ceil(total / Math.ceil(total / MOST)));
    const made: CrlSegment[] = [];
    const makeRoom = (): void => {
      if (writer.isFull) made.push(...writer.finish());
    };
    const copy = (from: number, to: number): void => {
      for (let next = from; next < to;) {
        makeRoom();
        next += writer.copy(this, next, to);
      }
    };
    let next = 0;
    for (const { index, isThere, entry } of edits) {
      copy(next, index);
      next = isThere ? index + 1 : index;
      if (!entry) continue;
      makeRoom();
      writer.append(entry);
    }
    copy(next, this.count);
    return [...made, ...writer.finish()];
  }
}

/** Writes segments, one after the other. */
export class SegmentWriter {
  readonly #bytes: Buffer;
  readonly #ends: Uint32Array;
  readonly #notAfter: Float64Array;
  #count = 0;

  /** @param most entries of each */
  constructor(most = MOST) {
    this.#bytes = Buffer.allocUnsafeSlow(most * LONGEST_ENTRY);
    [this.#ends, this.#notAfter] = [new Uint32Array(most), new Float64Array(most)];
  }

  get isFull(): boolean {
    return this.#count === this.#ends.length;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  append(entry: PageEntry): void {
    this.#ends[this.#count] = writeEntry(this.#bytes, this.#end, entry);
    this.#notAfter[this.#count] = entry.notAfter;
    this.#count += 1;
  }

  /** As many entries as there is room for; returns how many. */
  copy(segment: CrlSegment, from: number, to: number): number {
    const until = Math.min(to, from + this.#ends.length - this.#count);
    const [start, offset] = [this.#end, segment.start(from)];
    segment.bytes.copy(this.#bytes, start, offset, segment.start(until));
    for (let index = from; index < until; index += 1) {
      this.#ends[this.#count] = segment.start(index + 1) - offset + start;
      this.#notAfter[this.#count] = segment.notAfter(index);
      this.#count += 1;
    }
    return until - from;
  }

  /** What was written, in no more memory than it takes, and begins anew; nothing if there is nothing. */
  finish(): CrlSegment[] {
    const count = this.#count;
    if (count === 0) return [];
    const bytes = Buffer.allocUnsafeSlow(this.#end);
    this.#bytes.copy(bytes, 0, 0, this.#end);
    this.#count = 0;
    return [new CrlSegment(bytes, this.#ends.slice(0, count), this.#notAfter.slice(0, count))];
  }

  get #end(): number {
    return this.#count === 0 ? 0 : (this.#ends[this.#count - 1] ?? 0);
  }
}
