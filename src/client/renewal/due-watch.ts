import { BACKDATING } from "../../domain/profile.ts";
import type { Instant } from "../../domain/time.ts";
import type { ClientCertificate } from "../files/certificate-files.ts";

/** Of how many new certificates in a row that are due at once the clock is to blame; one may be an old answer. */
const TOO_MANY = 2;

/**
 * Knows when a certificate is due although the clock may be changed, and the machine may sleep: it is due when the clock
 * says so, or when as much time has passed here, which nobody can set. When even new certificates are due at once,
 * the clock is ahead, and is not asked until it is set back.
 */
export class DueWatch {
  #certificate: ClientCertificate | undefined;
  /** Time that has passed here since it was seen first, and after which it is due; milliseconds. */
  #elapsed = 0;
  #dueIn = 0;
  #dueAtOnce = 0;

  see(certificate: ClientCertificate, now: Instant): void {
    const { dueAt, notBefore } = certificate;
    const left = dueAt - now;
    if (left > 0) this.#dueAtOnce = 0;
    const before = this.#certificate?.fingerprint;
    if (certificate.fingerprint === before) return;
    if (left <= 0 && before !== undefined) this.#dueAtOnce += 1;
    this.#certificate = certificate;
    this.#elapsed = 0;
    const whole = dueAt - (notBefore + BACKDATING);
    this.#dueIn = this.#isClockAhead ? whole : Math.min(left, whole);
  }

  pass(milliseconds: number): void {
    this.#elapsed += milliseconds;
  }

  /** Milliseconds until it is due; not above zero when it is. */
  dueIn(now: Instant): number {
    const passed = this.#dueIn - this.#elapsed;
    if (this.#isClockAhead || !this.#certificate) return passed;
    return Math.min(passed, this.#certificate.dueAt - now);
  }

  /** Milliseconds until it ends; `undefined` when none was seen. */
  endsIn(now: Instant): number | undefined {
    if (!this.#certificate) return undefined;
    const { dueAt, notAfter } = this.#certificate;
    return this.dueIn(now) + (notAfter - dueAt);
  }

  get #isClockAhead(): boolean {
    return this.#dueAtOnce >= TOO_MANY;
  }
}
