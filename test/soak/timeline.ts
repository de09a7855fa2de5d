/** What something was, is, and is becoming: a change holds at the latest once every server has said that it applied it. */
export class Timeline<Value> {
  readonly #entries: { readonly value: Value; readonly begunAt: number; settledAt: number }[];

  constructor(value: Value) {
    this.#entries = [{ value, begunAt: -Infinity, settledAt: -Infinity }];
  }

  /** Where the last change leads. */
  get latest(): Value {
    const last = this.#entries.at(-1);
    if (!last) throw new TypeError("a timeline is never empty");
    return last.value;
  }

  /** From now on the new value is possible too; call what is returned when the old one is not any more. */
  begin(value: Value): () => void {
    const entry = { value, begunAt: performance.now(), settledAt: Infinity };
    this.#entries.push(entry);
    return () => {
      entry.settledAt = performance.now();
    };
  }

  /** What a request may have found that was sent and answered at these times. */
  possible(sentAt: number, answeredAt: number): Value[] {
    return this.#entries
      .filter(({ begunAt }, index) => {
        const successor = this.#entries[index + 1];
        return begunAt <= answeredAt && (!successor || successor.settledAt >= sentAt);
      })
      .map(({ value }) => value);
  }

  /** When each value held, and no other. */
  periods(): { readonly value: Value; readonly from: number; readonly to: number }[] {
    return this.#entries.map(({ value, settledAt }, index) => {
      return { value, from: settledAt, to: this.#entries[index + 1]?.begunAt ?? Infinity };
    });
  }
}
