import type { ErrorCode } from "../domain/errors.ts";
import type { Application } from "../services/await-followers.ts";
import type { Aim, Outcome } from "../services/change-many.ts";
import { cameByRenewal, described, doneWords, moreForTheKey } from "./change-words.ts";
import type { Line } from "./order-lines.ts";
import { describeApplication } from "./state.ts";

/** Of more than these, the report has their number only. */
const MOST_NAMED = 1000;
/** A fingerprint with colons has 95 characters. */
const MOST_SHOWN = 100;

type Category = "done" | "alreadyRevoked" | "unchanged" | "notFound" | "ambiguous" | "malformed";

const byOutcome: Partial<Record<Outcome, Category>> = {
  DONE: "done",
  ALREADY_REVOKED: "alreadyRevoked",
  STATE_UNCHANGED: "unchanged",
  NOT_FOUND: "notFound",
  ID_AMBIGUOUS: "ambiguous",
};

const words: Readonly<Record<Exclude<Category, "done">, string>> = {
  alreadyRevoked: "revoked before",
  unchanged: "in that state before",
  notFound: "not found",
  ambiguous: "ambiguous",
  malformed: "malformed",
};

/** A line that changed nothing. */
interface NotDone {
  readonly line: number;
  readonly id: string;
  /** What came after it. */
  readonly said: string | undefined;
  readonly code: ErrorCode;
}

/** What became of a list, line by line. */
export class ChangeReport {
  readonly #aim: Aim;
  readonly #unit: string;
  readonly #count: Record<Category, number> = {
    ...{ done: 0, alreadyRevoked: 0, unchanged: 0 },
    ...{ notFound: 0, ambiguous: 0, malformed: 0 },
  };
  readonly #named: NotDone[] = [];
  /** How many ended along with those of the list. */
  others = 0;
  /** How many that came of them by renewal were suspended. */
  suspended = 0;
  total = 0;

  /** @param unit what the numbers count */
  constructor(aim: Aim, unit: "line" | "argument") {
    this.#aim = aim;
    this.#unit = unit;
  }

  add({ number, text }: Line, outcome: Outcome): void {
    this.total += 1;
    this.#count[byOutcome[outcome] ?? "malformed"] += 1;
    if (outcome === "DONE" || this.#named.length === MOST_NAMED) return;
    const [id = "", ...rest] = text.replace(/[^ -~]/g, "?").split(/\s+/);
    const said = rest.join(" ").slice(0, MOST_SHOWN);
    this.#named.push({ line: number, id: id.slice(0, MOST_SHOWN), said: said || undefined, code: outcome });
  }

  /** What was not done, and does not hold already. */
  get failed(): number {
    const { done, alreadyRevoked, unchanged } = this.#count;
    return this.total - done - (this.#aim.status === "revoked" ? alreadyRevoked : unchanged);
  }

  json(applied: Application | undefined): unknown {
    const { done: changed, ...rest } = this.#count;
    const leftOut = this.total - changed - this.#named.length;
    const servers = applied ?? { servers: 0, late: 0, connectionsClosed: 0 };
    return {
      ...described(this.#aim),
      ...{ total: this.total, changed, others: this.others, suspended: this.suspended, ...rest },
      ...{ notDone: this.#inOrder, leftOut, ...servers },
    };
  }

  text(applied: Application | undefined): string {
    const named = this.#inOrder.map(({ line, id, said, code }) => {
      const words = said === undefined ? id : `${id} ${said}`;
      return `${this.#unit} ${String(line)}: ${words} (${code})`;
    });
    const leftOut = this.total - this.#count.done - named.length;
    const end = applied ? describeApplication(applied) : "Nothing was changed.";
    return [
      ...named,
      ...(leftOut > 0 ? [`… and ${String(leftOut)} more`] : []),
      `${this.counts()}${moreForTheKey(this.others)}${cameByRenewal(this.suspended)}. ${end}`,
    ].join("\n");
  }

  /** What is malformed is found before what comes ahead of it is carried out. */
  get #inOrder(): readonly NotDone[] {
    return this.#named.toSorted((one, other) => one.line - other.line);
  }

  /** `Revoked 7; 1 not found` */
  counts(): string {
    const done = `${doneWords[this.#aim.status]} ${String(this.#count.done)}`;
    const rest = Object.entries(words)
      .map(([category, word]) => [this.#count[category as Category], word] as const)
      .filter(([count]) => count > 0);
    return [done, ...rest.map(([count, word]) => `${String(count)} ${word}`)].join("; ");
  }
}
