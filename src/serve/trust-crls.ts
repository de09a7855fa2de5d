import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Logger } from "../domain/ports.ts";
import { HOUR, type Instant, MINUTE, SECOND } from "../domain/time.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import type { TrustedAuthority } from "../home/trust.ts";
import { Refusal } from "../domain/errors.ts";
import { SECRET, isFileOf, makeFolder, writeFileAtomically } from "../files/files.ts";
import type { HeldTrustCrl } from "../http/trust-gauges.ts";
import { type CrlSource, crlSource } from "./crl-sources.ts";
import { type ForeignCrl, readForeignCrl } from "../x509/foreign-crl.ts";

const POLL = SECOND;
/** By how much another CA's clock may be ahead. */
const SKEW = 5 * MINUTE;

export interface TrustCrlParts {
  readonly authenticator: Pick<Authenticator, "setListed">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Follows the CRLs of other CAs, files or what a URL has: they deny, and never allow. What was last good stays until a newer one is. */
export class TrustCrls {
  readonly #parts: TrustCrlParts;
  readonly #followed: Followed[];
  #polling: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  private constructor(parts: TrustCrlParts, authorities: readonly TrustedAuthority[]) {
    this.#parts = parts;
    this.#followed = authorities.flatMap((authority) =>
      authority.crl === undefined ? [] : [new Followed(authority, authority.crl)],
    );
  }

  /**
   * @throws Refusal CONFIG_INVALID for a file that cannot be used when there is no copy of a good list to go by. Somebody
   * else's server that does not answer keeps no service from starting.
   */
  static async start(parts: TrustCrlParts, authorities: readonly TrustedAuthority[]): Promise<TrustCrls> {
    const crls = new TrustCrls(parts, authorities);
    await Promise.all(crls.#followed.map((followed) => crls.#begin(followed)));
    crls.#polling = setInterval(() => {
      crls.#refreshing = crls.#refreshing.then(() => crls.#refresh());
    }, POLL).unref();
    return crls;
  }

  async #begin(followed: Followed): Promise<void> {
    await followed.readCopy(this.#parts);
    try {
      await followed.refresh(this.#parts);
    } catch (error) {
      if (followed.held || followed.source.isRemote) {
        this.#warn(followed, error);
        return;
      }
      const fault = `trust '${followed.name}': its CRL cannot be used`;
      throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${fault}.`, String(error));
    }
  }

  /** What is held now. */
  held(): HeldTrustCrl[] {
    return this.#followed.flatMap(({ name, held }) => {
      if (!held) return [];
      const { thisUpdate, nextUpdate, listed } = held;
      return [{ ca: name, thisUpdate, nextUpdate, entries: listed.size }];
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#polling);
    for (const { source } of this.#followed) source.stop();
    await this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const refresh = async (followed: Followed): Promise<void> => {
      try {
        await followed.refresh(this.#parts);
      } catch (error) {
        this.#warn(followed, error);
      }
    };
    await Promise.all(this.#followed.map(refresh));
  }

  #warn(followed: Followed, error: unknown): void {
    const { clock, logger } = this.#parts;
    if (!followed.isToBeTold(String(error), clock.now())) return;
    logger.warn({ err: error, ca: followed.name }, "a CA's CRL cannot be used: the last good one stays");
  }
}

class Followed {
  readonly name: string;
  readonly #cas: TrustedAuthority["cas"];
  readonly source: CrlSource;
  readonly #copy: string;
  /** What is wrong with what was last read, which stays until something else is there. */
  #flaw: Error | undefined;
  /** Read, and not taken over yet. */
  #next: { readonly bytes: Buffer; readonly crl: ForeignCrl } | undefined;
  #held: ForeignCrl | undefined;
  #isCopy = false;
  #unsaved: Buffer | undefined;
  #saveAt: Instant = 0;
  #fault = "";
  #toldAt: Instant = 0;
  #warnedAt: Instant | undefined;

  constructor({ name, cas, copy }: TrustedAuthority, named: string) {
    this.name = name;
    this.#cas = cas;
    this.source = crlSource(named);
    this.#copy = copy;
  }

  get held(): ForeignCrl | undefined {
    return this.#held;
  }

  /** So that a fault that lasts is told once an hour. */
  isToBeTold(fault: string, now: Instant): boolean {
    if (fault === this.#fault && now < this.#toldAt + HOUR) return false;
    this.#fault = fault;
    this.#toldAt = now;
    return true;
  }

  /** What was last good before a restart: a file that went back to an older list lets nobody back in. */
  async readCopy({ authenticator, logger }: TrustCrlParts): Promise<void> {
    try {
      const held = await readForeignCrl(await readFile(this.#copy), this.#cas);
      authenticator.setListed(held.issuer, held.listed);
      this.#held = held;
      this.#isCopy = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      logger.warn({ err: error, ca: this.name }, "the copy of a CA's CRL cannot be used");
    }
  }

  async refresh(parts: TrustCrlParts): Promise<void> {
    const { clock, logger } = parts;
    this.#save(parts);
    this.#warnOfEnd(parts);
    await this.#read(clock.now());
    if (this.#flaw) throw this.#flaw;
    if (this.#next) {
      const { bytes, crl } = this.#next;
      if (crl.thisUpdate > clock.now() + SKEW) throw new Error("its thisUpdate is in the future");
      this.#next = undefined;
      this.#flaw = this.#held && whyNotAfter(crl, this.#held, this.#isCopy);
      if (this.#flaw) throw this.#flaw;
      parts.authenticator.setListed(crl.issuer, crl.listed);
      this.#held = crl;
      this.#isCopy = false;
      this.#warnedAt = undefined;
      this.#unsaved = bytes;
      this.#saveAt = 0;
      logger.info({ ca: this.name, entries: crl.listed.size }, "a CA's CRL was read");
      this.#save(parts);
      this.#warnOfEnd(parts);
    }
    this.#fault = "";
  }

  /** What cannot be had now is tried again; what is wrong with its contents is not read twice. */
  async #read(now: Instant): Promise<void> {
    const bytes = await this.source.read(now, this.#held?.nextUpdate);
    if (!bytes) return;
    this.#next = undefined;
    this.#flaw = undefined;
    try {
      this.#next = { bytes, crl: await readForeignCrl(bytes, this.#cas) };
    } catch (error) {
      this.#flaw = error instanceof Error ? error : new Error(String(error));
    }
  }

  #save({ clock, logger }: TrustCrlParts): void {
    if (!this.#unsaved || clock.now() < this.#saveAt) return;
    try {
      makeFolder(dirname(this.#copy));
      if (!isFileOf(this.#copy, this.#unsaved)) writeFileAtomically(this.#copy, this.#unsaved, SECRET);
      this.#unsaved = undefined;
    } catch (error) {
      this.#saveAt = clock.now() + HOUR;
      logger.warn({ err: error, ca: this.name }, "a CA's CRL cannot be kept for the next start");
    }
  }

  #warnOfEnd({ clock, logger }: TrustCrlParts): void {
    const { nextUpdate } = this.#held ?? {};
    const now = clock.now();
    if (nextUpdate === undefined || nextUpdate > now) return;
    if (this.#warnedAt !== undefined && now < this.#warnedAt + HOUR) return;
    this.#warnedAt = now;
    logger.warn({ ca: this.name }, "a CA's CRL is past its nextUpdate: what it lists stays denied");
  }
}

/** @param isCopy the configuration may name another CA's list since: what the copy lists stays denied beside it */
function whyNotAfter(crl: ForeignCrl, held: ForeignCrl, isCopy: boolean): Error | undefined {
  if (crl.issuer !== held.issuer) {
    return isCopy ? undefined : new Error("it is another CA's than the one that is held");
  }
  const isNumbered = crl.number !== undefined && held.number !== undefined;
  const isOlder = crl.thisUpdate < held.thisUpdate || (isNumbered && crl.number < held.number);
  return isOlder ? new Error("it is older than the one that is held") : undefined;
}
