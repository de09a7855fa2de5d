import type { IssuerId, Serial } from "../../domain/identifiers.ts";
import type { Standing } from "../../domain/ocsp.ts";
import type { Stores } from "../../domain/ports.ts";

interface Question {
  readonly issuer: IssuerId;
  readonly serials: readonly Serial[];
  readonly resolve: (standings: Standing[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Asks the database how certificates stand, for all who want to know at the same time together: however many strangers
 * ask, one question is under way, and those whom the database serves otherwise don't queue behind them.
 */
export class StandingDesk {
  readonly #stores: Stores;
  #asked: Question[] = [];
  #isBusy = false;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  /** Those of the issuer's that are on record. Throws UNAVAILABLE. */
  ask(issuer: IssuerId, serials: readonly Serial[]): Promise<Standing[]> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ issuer, serials, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      setImmediate(() => void this.#work());
    });
  }

  async #work(): Promise<void> {
    while (this.#asked.length > 0) {
      const byIssuer = Map.groupBy(this.#asked, ({ issuer }) => issuer);
      this.#asked = [];
      for (const [issuer, questions] of byIssuer) await this.#answer(issuer, questions);
    }
    this.#isBusy = false;
  }

  async #answer(issuer: IssuerId, questions: readonly Question[]): Promise<void> {
    try {
      const serials = questions.flatMap((question) => question.serials);
      const found = await this.#stores.certificates.standings(issuer, serials);
      const standings = new Map(found.map((standing) => [standing.serial, standing]));
      for (const { serials: own, resolve } of questions)
        resolve([...new Set(own)].flatMap((serial) => standings.get(serial) ?? []));
    } catch (error) {
      for (const { reject } of questions) reject(error);
    }
  }
}
