import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint, IssuerId } from "../../domain/identifiers.ts";
import type { KeyType } from "../../domain/key-policy.ts";
import type { CertId, OcspSigner } from "../../domain/ocsp.ts";
import type { Issuer, Logger, Signer } from "../../domain/ports.ts";
import type { Change } from "../../domain/records.ts";
import { type Instant, MINUTE } from "../../domain/time.ts";
import type { IssuingParts } from "../issue/parts.ts";
import { issueResponderCertificate } from "../issue/responder-certificate.ts";

export interface DelegateParts {
  readonly issuing: IssuingParts;
  /** Those whose keys are open here, retired ones too. */
  readonly issuers: () => readonly Issuer[];
  /** Makes a key that stays in memory. */
  readonly makeSigner: (keyType: KeyType) => Promise<Signer>;
  readonly logger: Logger;
}

/** An issuing CA's delegate for OCSP (RFC 6960 §4.2.2.2). */
export interface Delegate extends OcspSigner {
  readonly fingerprint: Fingerprint;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** Keeps a delegate for each issuing CA: made at the start, with a new key at two thirds of each one's life. */
export class OcspDelegates {
  readonly #parts: DelegateParts;
  readonly #delegates = new Map<IssuerId, Delegate>();
  #names: ReadonlyMap<CertId["issuer"], IssuerId> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: DelegateParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), MINUTE).unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#work;
  }

  /** The one issuing CA that all of these name, if it is one of ours that has not ended. */
  issuerOf(certIds: readonly Pick<CertId, "issuer">[]): IssuerId | undefined {
    const [first, ...others] = certIds.map(({ issuer }) => this.#names.get(issuer));
    return others.every((other) => other === first) ? first : undefined;
  }

  /** Who signs for it now. Throws UNAVAILABLE. */
  delegateOf(issuer: IssuerId): Delegate {
    const now = this.#parts.issuing.clock.now();
    const delegate = this.#delegates.get(issuer);
    if (delegate && delegate.notBefore <= now && now < delegate.notAfter) return delegate;
    throw new Refusal("UNAVAILABLE", undefined, "an issuing CA has no OCSP responder's certificate now");
  }

  /** Replaces one that an admin ended, and takes up what has become of the issuing CAs: that is done on return. */
  async onChanges(changes: readonly Change[]): Promise<void> {
    const ended = new Set(
      changes
        .filter(({ action }) => action === "certificate.revoke" || action === "certificate.suspend")
        .map(({ subject }) => subject),
    );
    const lost = [...this.#delegates].filter(([, { fingerprint }]) => ended.has(fingerprint));
    for (const [issuer] of lost) this.#delegates.delete(issuer);
    if (changes.some(({ action }) => action.startsWith("issuer."))) await this.refresh();
    else if (lost.length > 0) void this.refresh();
  }

  /** Replaces those that a database which went back has no more, or has as ended. Throws UNAVAILABLE. */
  async onWentBack(): Promise<void> {
    const { certificates } = this.#parts.issuing.database;
    const fingerprints = [...this.#delegates.values()].map(({ fingerprint }) => fingerprint);
    const records = await certificates.byFingerprints(fingerprints);
    const active = new Set(records.filter(({ status }) => status === "active").map((one) => one.fingerprint));
    for (const [issuer, { fingerprint }] of this.#delegates) {
      if (!active.has(fingerprint)) this.#delegates.delete(issuer);
    }
    await this.refresh();
  }

  /** Looks at each; what fails is logged, and tried again in a minute. */
  refresh(): Promise<void> {
    this.#work = this.#work.then(() => this.#refresh());
    return this.#work;
  }

  async #refresh(): Promise<void> {
    const { issuing, issuers, logger } = this.#parts;
    const live = issuers().filter(({ notAfter }) => notAfter > issuing.clock.now());
    this.#names = new Map(
      live.flatMap((issuer) => issuing.codec.ocspIssuerNames(issuer).map((name) => [name, issuer.id])),
    );
    for (const issuer of live) {
      if (this.#stopped || !this.#isDue(issuer)) continue;
      try {
        this.#delegates.set(issuer.id, await this.#delegate(issuer));
        logger.info({ issuer: issuer.id }, "OCSP responder's certificate issued");
      } catch (error) {
        const fields = { err: error, issuer: issuer.id };
        logger.error(
          fields,
          "the OCSP responder's certificate could not be issued; trying again in a minute",
        );
      }
    }
  }

  #isDue(issuer: Issuer): boolean {
    const delegate = this.#delegates.get(issuer.id);
    if (!delegate) return true;
    const { notBefore, notAfter } = delegate;
    const now = this.#parts.issuing.clock.now();
    if (now < notBefore) return true; // the clock was set back
    if (notAfter >= issuer.notAfter) return false; // none could last longer
    return now >= notBefore + ((notAfter - notBefore) * 2) / 3;
  }

  async #delegate(issuer: Issuer): Promise<Delegate> {
    const { issuing, makeSigner } = this.#parts;
    const { keyType } = issuer.signer;
    // Whoever verifies the issuer's signature can verify P-256 too; beside ML-DSA it would be the weak link.
    const signer = await makeSigner(keyType.startsWith("ml-dsa-") ? keyType : "ec-p256");
    const { der, fingerprint, notBefore, notAfter } = await issueResponderCertificate(
      issuing,
      issuer,
      signer,
    );
    return { signer, certificate: der, fingerprint, notBefore, notAfter };
  }
}
