import { existsSync } from "node:fs";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { type LastSeen, type Mark, markOf } from "../domain/history.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Logger, Stores } from "../domain/ports.ts";
import type { Change, CrlHead } from "../domain/records.ts";
import { SECOND } from "../domain/time.ts";
import { SECRET, readInput, writeFileAtomically } from "../files/files.ts";
import { isOnRecord } from "../services/older-state.ts";
import { homePaths } from "./paths.ts";

// What a home remembers of its database outside of it: a backup that is restored, or another replica, shows by that.

const whole = z.number().int().min(0);
const schema = z.strictObject({
  mark: z.strictObject({ sequence: whole.min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
  crls: z.record(z.string().regex(/^[0-9a-f]+$/), whole),
});

/** `undefined` when nothing was written yet. Throws FILE_UNREADABLE, CONFIG_INVALID. */
export function readLastSeen(home: string): LastSeen | undefined {
  const path = homePaths(home).lastSeen;
  if (!existsSync(path)) return undefined;
  try {
    const { mark, crls } = schema.parse(JSON.parse(readInput(path).toString("utf8")));
    return { mark, crls };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const hint = "Put it back from a backup, or start once with 'countersign serve --accept-older-state'.";
    throw new Refusal("CONFIG_INVALID", `${path} is damaged. ${hint}`, String(error));
  }
}

/** The same, where one that is damaged is as good as none. */
export function salvageLastSeen(home: string): LastSeen | undefined {
  try {
    return readLastSeen(home);
  } catch {
    return undefined;
  }
}

/**
 * Writes down how far the database has come: within a second of a change, and before a CRL is served. What is in the
 * file only goes up, whoever else writes there, until an older state is accepted.
 */
export class LastSeenKeeper {
  readonly #home: string;
  readonly #logger: Logger;
  #mark: Mark | undefined;
  readonly #crls: Record<IssuerId, number> = {};
  /** The database went back: what was seen before stays the mark, so that the next start notices as well. */
  #isHeld = false;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(home: string, logger: Logger) {
    this.#home = home;
    this.#logger = logger;
  }

  /** Takes what is given for all there is to know. */
  reset(seen: LastSeen): void {
    this.#save(seen);
  }

  onChanges(changes: readonly Change[]): void {
    const last = changes.at(-1);
    if (!last || this.#isHeld) return;
    this.#mark = markOf(last);
    this.#writeSoon();
  }

  /** Returns once it is written. Throws FILE_UNREADABLE. */
  onCrl({ issuerId, number }: CrlHead): void {
    if (number <= (this.#crls[issuerId] ?? 0)) return;
    this.#crls[issuerId] = number;
    this.#write();
  }

  async onWentBack(stores: Stores): Promise<void> {
    this.#tryToWrite();
    const written = salvageLastSeen(this.#home)?.mark;
    const isWritten = (this.#mark?.sequence ?? 0) <= (written?.sequence ?? 0);
    const mark = isWritten ? written : this.#mark;
    this.#isHeld = mark !== undefined && !(await isOnRecord(stores, mark));
    if (isWritten) this.#mark = undefined; // another server may accept the older state: this one is not to undo that
    if (!this.#isHeld) return;
    this.#logger.error(
      { seen: mark?.sequence },
      "tokens that were used are open again; the next start is refused (STATE_WENT_BACK) until it accepts the older state",
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#tryToWrite();
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tryToWrite();
    }, SECOND).unref();
  }

  #tryToWrite(): void {
    try {
      this.#write();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#logger.error({ err: error }, "how far the database has come cannot be written");
      this.#failing = true;
      this.#writeSoon();
    }
  }

  /** Other servers on this home write there, too. */
  #write(): void {
    const { mark, crls } = salvageLastSeen(this.#home) ?? { mark: undefined, crls: {} };
    const own = this.#mark;
    const isAhead = own !== undefined && own.sequence > (mark?.sequence ?? 0);
    const numbers: Record<IssuerId, number> = { ...crls };
    for (const [id, number] of Object.entries(this.#crls) as [IssuerId, number][])
      numbers[id] = Math.max(number, numbers[id] ?? 0);
    const isNew = isAhead || Object.entries(numbers).some(([id, number]) => crls[id as IssuerId] !== number);
    if (isNew) this.#save({ mark: isAhead ? own : mark, crls: numbers });
    this.#mark = undefined; // whoever accepts an older state has the last word on what was written before
  }

  #save(seen: LastSeen): void {
    writeFileAtomically(homePaths(this.#home).lastSeen, `${JSON.stringify(seen)}\n`, SECRET);
  }
}
