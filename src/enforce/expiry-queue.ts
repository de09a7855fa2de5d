import type { Instant } from "../domain/time.ts";

interface Entry<Item> {
  readonly due: Instant;
  readonly item: Item;
}

/** A binary heap of what becomes due when. */
export class ExpiryQueue<Item> {
  readonly #heap: Entry<Item>[] = [];

  get nextDue(): Instant | undefined {
    return this.#heap[0]?.due;
  }

  push(due: Instant, item: Item): void {
    const heap = this.#heap;
    let index = heap.push({ due, item }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#dueAt(parent) <= due) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** Takes out one item that is due at `now`, if there is one. */
  takeDue(now: Instant): Item | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.due > now) return undefined;
    const last = heap.pop();
    if (last && heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#dueAt(left + 1) < this.#dueAt(left) ? left + 1 : left;
      if (this.#dueAt(index) <= this.#dueAt(smaller)) return;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #dueAt(index: number): Instant {
    return this.#heap[index]?.due ?? Infinity;
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap;
    const [a, b] = [heap[one], heap[other]];
    if (!a || !b) return;
    heap[one] = b;
    heap[other] = a;
  }
}
