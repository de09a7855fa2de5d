import { Refusal } from "../../domain/errors.ts";
import type { Clock, Stores } from "../../domain/ports.ts";
import type { Account, TokenRecord } from "../../domain/records.ts";
import { hashToken, parseToken } from "../../domain/token.ts";
import { requireUsable } from "./standing.ts";

interface Known {
  readonly token: TokenRecord;
  readonly account: Account;
}

interface Question {
  readonly hash: string;
  readonly resolve: (known: Known | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** Tells whose a token is. Those who ask at the same time are answered with one look-up. */
export class TokenDesk {
  readonly #stores: Stores;
  readonly #clock: Clock;
  #asked: Question[] = [];

  constructor(stores: Stores, clock: Clock) {
    this.#stores = stores;
    this.#clock = clock;
  }

  /**
   * @param text what the caller sent
   * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, UNAVAILABLE.
   */
  async authenticate(
    text: string | undefined,
  ): Promise<{ readonly token: TokenRecord; readonly account: Account }> {
    if (text === undefined) throw new Refusal("TOKEN_REQUIRED");
    const known = await this.#find(hashToken(parseToken(text)));
    const token = requireUsable(known?.token, this.#clock.now());
    if (known?.account.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
    return { token, account: known.account };
  }

  #find(hash: string): Promise<Known | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#asked.length === 0) setImmediate(() => void this.#lookUp());
      this.#asked.push({ hash, resolve, reject });
    });
  }

  async #lookUp(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    try {
      const found = await this.#stores.tokens.byHashes(asked.map(({ hash }) => hash));
      const known = new Map(found.map((each) => [each.token.hash, each]));
      for (const { hash, resolve } of asked) resolve(known.get(hash));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
