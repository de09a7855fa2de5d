import { Allowance } from "../domain/allowance.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import { type RenewalRecord, hasRevokedItself, isRetired } from "../domain/renewal.ts";
import { HOUR, type Instant, SECOND } from "../domain/time.ts";
import { type CloneSign, raiseCloneAlarm } from "./clone-alarm.ts";

/** Of look-ups. */
const LIMITS = { rate: 20, burst: 50 } as const;
/** How long what was found is believed. */
const MEMORY = SECOND;
/** The same of an alarm with nothing left to suspend, of which nothing on record says that it was raised. */
const LONG_MEMORY = HOUR;
const MOST_REMEMBERED = 10_000;
/** A handshake takes its time, and servers' clocks differ: a connection that began so soon after a retirement proves nothing. */
export const MARGIN = 2 * SECOND;

/** A credential that has ended, and was presented all the same. */
export interface EndedUse {
  readonly fingerprint: Fingerprint;
  /** When its connection began: one from before its end proves nothing. */
  readonly began: Instant;
  readonly address: string | undefined;
}

export interface RetiredUseParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
  /** Whether a call with a credential was let through here of which the database does not know yet. */
  readonly wasUsed: (fingerprint: Fingerprint) => boolean;
  /** Told of an alarm that was raised. */
  readonly onAlarm?: ((sign: CloneSign) => void) | undefined;
}

interface Finding {
  readonly at: Instant;
  /** When a connection has to have begun for its use to be looked at again. */
  readonly from: Instant;
  /** How long that is believed, in milliseconds. */
  readonly memory: number;
}

/**
 * Looks at calls with credentials that have ended: one that was renewed, and whose successor is in use, has no business
 * there, unless somebody has a copy of it. Beside the calls, which do not wait for it; one look-up at a time for each credential, and
 * limited in rate.
 */
export class RetiredUse {
  readonly #parts: RetiredUseParts;
  readonly #pending = new Map<Fingerprint, Promise<void>>();
  readonly #found = new Map<Fingerprint, Finding>();
  readonly #allowance: Allowance;

  constructor(parts: RetiredUseParts) {
    this.#parts = parts;
    this.#allowance = new Allowance(parts.clock, LIMITS);
  }

  saw(use: EndedUse): void {
    const { fingerprint, began } = use;
    if (this.#pending.has(fingerprint)) return;
    const known = this.#found.get(fingerprint);
    const age = this.#parts.clock.now() - (known?.at ?? -Infinity);
    if (known && age >= 0 && age < known.memory && began <= known.from) return;
    if (!this.#allowance.take()) return;
    const looking = this.#look(use).finally(() => this.#pending.delete(fingerprint));
    this.#pending.set(fingerprint, looking);
  }

  /** Waits for what is being looked at. */
  async stop(): Promise<void> {
    await Promise.all(this.#pending.values());
  }

  /** Never fails. */
  async #look(use: EndedUse): Promise<void> {
    const { clock, logger } = this.#parts;
    try {
      const found = await this.#whatCounts(use);
      if (this.#found.size >= MOST_REMEMBERED) this.#found.clear();
      this.#found.set(use.fingerprint, { at: clock.now(), ...found });
    } catch (error) {
      const { fingerprint } = use;
      logger.warn({ err: error, fingerprint }, "the use of a credential that has ended cannot be looked at");
    }
  }

  /** Raises the alarm, if it is one; returns when a connection has to have begun to count, and for how long. */
  async #whatCounts({ fingerprint, began, address }: EndedUse): Promise<Omit<Finding, "at">> {
    const nothing = { from: Infinity, memory: MEMORY };
    const { database } = this.#parts;
    const [renewal] = await database.renewals.byPredecessors([fingerprint]);
    if (renewal?.successor === undefined) return nothing;
    const record = await database.certificates.byFingerprint(fingerprint);
    const ended = record && endOf(record, renewal);
    if (ended === undefined) return nothing;
    if (began <= ended + MARGIN) return { ...nothing, from: ended + MARGIN };
    if (!(await this.#isInUse(renewal.successor))) return nothing;
    const { line } = renewal;
    const sign = { cause: "retired-used", fingerprint, line, account: record?.account, address } as const;
    const raised = await raiseCloneAlarm(this.#parts, sign);
    if (raised) this.#parts.onAlarm?.(sign);
    return { from: Infinity, memory: raised?.suspended === 0 ? LONG_MEMORY : MEMORY };
  }

  /** It was let through, here or anywhere, or has been renewed itself. */
  async #isInUse(successor: Fingerprint): Promise<boolean> {
    const { database, wasUsed } = this.#parts;
    if (wasUsed(successor)) return true;
    if ((await database.uses.byFingerprint(successor))?.lastAt !== undefined) return true;
    return (await database.renewals.byPredecessors([successor])).length > 0;
  }
}

/** Since when a credential that was renewed is good no more; `undefined` where that has another cause than its renewal. */
function endOf(record: CertificateRecord, { retiredAt }: RenewalRecord): Instant | undefined {
  if (isRetired(record)) return retiredAt ?? record.statusAt;
  if (hasRevokedItself(record)) return record.statusAt;
  return record.status === "active" ? record.notAfter : undefined;
}
