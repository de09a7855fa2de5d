import { X509Certificate } from "node:crypto";
import type { Stores } from "../domain/ports.ts";

/** The CAs that handshakes trust: our own issuers, as the database has them, and others that the configuration names. */
export class TrustedCas {
  readonly #stores: Stores;
  readonly #foreign: readonly string[];
  readonly #onChanged = new Set<() => void>();
  #issuers: readonly X509Certificate[] = [];

  private constructor(stores: Stores, foreign: readonly string[]) {
    this.#stores = stores;
    this.#foreign = foreign;
  }

  /** @param foreign CAs beside our own, PEM */
  static async read(stores: Stores, foreign: readonly string[]): Promise<TrustedCas> {
    const cas = new TrustedCas(stores, foreign);
    await cas.readAnew();
    return cas;
  }

  get issuers(): readonly X509Certificate[] {
    return this.#issuers;
  }

  /** Our own, PEM: whom a listener trusts that issues or changes anything. */
  get own(): string[] {
    return this.#issuers.map((issuer) => issuer.toString());
  }

  /** Those that the handshake of calls is to trust, PEM: our own, and the others. */
  get ofCallers(): string[] {
    return [...this.own, ...this.#foreign];
  }

  /** Tells when other certificates are to be trusted, until what is returned is called. */
  onChanged(listener: () => void): () => void {
    this.#onChanged.add(listener);
    return () => this.#onChanged.delete(listener);
  }

  async readAnew(): Promise<void> {
    this.#issuers = (await this.#stores.issuers.list()).map(({ der }) => new X509Certificate(der));
    for (const listener of this.#onChanged) listener();
  }
}
