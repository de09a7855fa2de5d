import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import { type CredentialUse, USES_AT_ONCE, type UseStore } from "../domain/use.ts";

/** What a kill loses at most. */
const INTERVAL = 10 * SECOND;
/** How long a server that stops tries to write the last of it. */
const LEAVING = 2 * SECOND;

/** Where it was counted. */
export interface UseSource {
  take(): CredentialUse[];
  giveBack(uses: readonly CredentialUse[]): void;
}

/** Writes what credentials were used for, now and then and at the end. What can't be written is kept, and added up. */
export class UseWriter {
  readonly #source: UseSource;
  readonly #store: Pick<UseStore, "add">;
  readonly #logger: Pick<Logger, "warn">;
  readonly #timer: NodeJS.Timeout;
  #round: Promise<void> | undefined;
  #failing = false;

  constructor(parts: {
    readonly source: UseSource;
    readonly store: Pick<UseStore, "add">;
    readonly logger: Pick<Logger, "warn">;
  }) {
    this.#source = parts.source;
    this.#store = parts.store;
    this.#logger = parts.logger;
    this.#timer = setInterval(() => void this.flush(), INTERVAL).unref();
  }

  /** Writes what there is; never fails. One at a time: who comes while one is under way gets that one. */
  flush(): Promise<void> {
    this.#round ??= this.#write().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** Writes the last of it. A database that does not answer is not waited for. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const patience = new AbortController();
    const last = Promise.resolve(this.#round).then(() => this.flush());
    await Promise.race([last, sleep(LEAVING, undefined, patience)]);
    patience.abort();
  }

  /** In chunks, between which others get their turn. One whose answer was lost may be counted twice. */
  async #write(): Promise<void> {
    const uses = this.#source.take();
    for (let start = 0; start < uses.length; start += USES_AT_ONCE) {
      try {
        await this.#store.add(uses.slice(start, start + USES_AT_ONCE));
        this.#failing = false;
      } catch (error) {
        this.#source.giveBack(uses.slice(start));
        if (!this.#failing) this.#logger.warn({ err: error }, "use cannot be recorded; it is kept for later");
        this.#failing = true;
        return;
      }
    }
  }
}
