import { stat, readFile } from "node:fs/promises";
import type { Clock, Logger } from "../domain/ports.ts";
import { MINUTE, SECOND } from "../domain/time.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import type { TrustedAuthority } from "../home/trust.ts";
import { Refusal } from "../domain/errors.ts";
import { type ForeignCrl, readForeignCrl } from "../x509/foreign-crl.ts";

const POLL = SECOND;
const LARGEST = 64 * 1024 * 1024;
/** By how much another CA's clock may be ahead. */
const SKEW = 5 * MINUTE;

export interface TrustCrlParts {
  readonly authenticator: Pick<Authenticator, "setListed">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Follows the CRL files of other CAs: they deny, and never allow. What was last good stays until a newer one is. */
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

  /** @throws Refusal CONFIG_INVALID for a list that cannot be used: there is no last good one to go by yet. */
  static async start(parts: TrustCrlParts, authorities: readonly TrustedAuthority[]): Promise<TrustCrls> {
    const crls = new TrustCrls(parts, authorities);
    for (const followed of crls.#followed) {
      try {
        await followed.refresh(parts);
      } catch (error) {
        const fault = `trust '${followed.name}': its CRL cannot be used`;
        throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${fault}.`, String(error));
      }
    }
    crls.#polling = setInterval(() => {
      crls.#refreshing = crls.#refreshing.then(() => crls.#refresh());
    }, POLL).unref();
    return crls;
  }

  async stop(): Promise<void> {
    clearInterval(this.#polling);
    await this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const { logger } = this.#parts;
    for (const followed of this.#followed) {
      try {
        await followed.refresh(this.#parts);
      } catch (error) {
        if (!followed.isNewFault(String(error))) continue;
        logger.warn({ err: error, ca: followed.name }, "a CA's CRL cannot be used: the last good one stays");
      }
    }
  }
}

class Followed {
  readonly name: string;
  readonly #cas: TrustedAuthority["cas"];
  readonly #path: string;
  #seen = "";
  #held: ForeignCrl | undefined;
  #fault = "";
  #hasWarned = false;

  constructor({ name, cas }: TrustedAuthority, path: string) {
    this.name = name;
    this.#cas = cas;
    this.#path = path;
  }

  /** So that a fault that lasts is told once. */
  isNewFault(fault: string): boolean {
    const isNew = fault !== this.#fault;
    this.#fault = fault;
    return isNew;
  }

  async refresh({ authenticator, clock, logger }: TrustCrlParts): Promise<void> {
    const { mtimeMs, size, ino } = await stat(this.#path);
    const seen = [mtimeMs, size, ino].join();
    if (seen !== this.#seen) {
      this.#seen = seen; // what is wrong stays wrong until the file changes
      if (size > LARGEST) throw new Error("it is larger than 64 MiB");
      const crl = await readForeignCrl(await readFile(this.#path), this.#cas);
      if (crl.thisUpdate > clock.now() + SKEW) throw new Error("its thisUpdate is in the future");
      if (this.#held && isOlder(crl, this.#held)) throw new Error("it is older than the one that is held");
      authenticator.setListed(crl.issuer, crl.listed);
      this.#held = crl;
      this.#hasWarned = false;
      logger.info({ ca: this.name, entries: crl.listed.size }, "a CA's CRL was read");
    }
    this.#fault = "";
    const { nextUpdate } = this.#held ?? {};
    if (this.#hasWarned || nextUpdate === undefined || nextUpdate > clock.now()) return;
    this.#hasWarned = true;
    logger.warn({ ca: this.name }, "a CA's CRL is past its nextUpdate: what it lists stays denied");
  }
}

function isOlder(crl: ForeignCrl, held: ForeignCrl): boolean {
  if (crl.issuer !== held.issuer) throw new Error("it is another CA's than the one that is held");
  const isNumbered = crl.number !== undefined && held.number !== undefined;
  return crl.thisUpdate < held.thisUpdate || (isNumbered && crl.number < held.number);
}
