import { X509Certificate } from "node:crypto";
import type { Logger, Stores } from "../domain/ports.ts";
import type { Instant } from "../domain/time.ts";
import { isSignedBy } from "./presented-certificate.ts";

/**
 * The CAs that handshakes trust: our own issuers, as the database has them, and others that the configuration names. Of our own,
 * those alone that lead to a root on record: that is verified when they are read, and not in each handshake again.
 */
export class TrustedCas {
  readonly #stores: Stores;
  readonly #foreign: readonly string[];
  readonly #foreignCas: readonly X509Certificate[];
  readonly #logger: Pick<Logger, "error">;
  readonly #onChanged = new Set<() => void>();
  #issuers: readonly X509Certificate[] = [];

  private constructor(stores: Stores, foreign: readonly string[], logger: Pick<Logger, "error">) {
    this.#stores = stores;
    this.#foreign = foreign;
    this.#foreignCas = foreign.map((pem) => new X509Certificate(pem));
    this.#logger = logger;
  }

  /** @param foreign CAs beside our own, PEM */
  static async read(
    stores: Stores,
    foreign: readonly string[],
    logger: Pick<Logger, "error">,
  ): Promise<TrustedCas> {
    const cas = new TrustedCas(stores, foreign, logger);
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

  /** Whether a CA that is trusted in the handshake of calls has signed a certificate, and has not ended itself. */
  haveSigned(leaf: X509Certificate, now: Instant): boolean {
    return hasSigned([...this.#issuers, ...this.#foreignCas], leaf, now);
  }

  /** The same, of our own CAs alone. */
  ownHaveSigned(leaf: X509Certificate, now: Instant): boolean {
    return hasSigned(this.#issuers, leaf, now);
  }

  /** Tells when other certificates are to be trusted, until what is returned is called. */
  onChanged(listener: () => void): () => void {
    this.#onChanged.add(listener);
    return () => this.#onChanged.delete(listener);
  }

  /** Whether each of these is one of our own; PEM. */
  areOwn(cas: readonly unknown[]): boolean {
    const { own } = this;
    return cas.every((ca) => typeof ca === "string" && own.includes(ca));
  }

  async readAnew(): Promise<void> {
    const records = await this.#stores.issuers.list();
    const read = records.map(({ name, der }) => ({ name, certificate: new X509Certificate(der) }));
    const led = leadingToRoot(read.map(({ certificate }) => certificate));
    for (const { name } of read.filter(({ certificate }) => !led.includes(certificate)))
      this.#logger.error({ issuer: name }, "a CA on record is not trusted: no root on record has signed it");
    this.#issuers = led;
    for (const listener of this.#onChanged) listener();
  }
}

function hasSigned(cas: readonly X509Certificate[], leaf: X509Certificate, now: Instant): boolean {
  return cas.some((ca) => now < ca.validToDate.getTime() && isSignedBy(leaf, ca));
}

/** Those CAs that signed themselves, and those that one of these signed, and so on. */
function leadingToRoot(cas: readonly X509Certificate[]): X509Certificate[] {
  const led = cas.filter((one) => one.ca && isSignedBy(one, one));
  for (const issuer of led)
    led.push(...cas.filter((one) => one.ca && !led.includes(one) && isSignedBy(one, issuer)));
  return led;
}
