import type { ErrorCode } from "../../domain/errors.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import type { Clock } from "../../domain/ports.ts";
import { HOUR, type Instant, MINUTE } from "../../domain/time.ts";
import type { Announced } from "./announced.ts";
import type { ClientCertificate } from "../files/certificate-files.ts";
import { DueWatch } from "./due-watch.ts";
import type { Renewal } from "./renew-files.ts";
import { Retry, faultOf, finalCodes } from "./retry.ts";
import { Telling } from "./telling.ts";

/** What a daemon has to say; never a secret. */
export type DaemonEvent =
  | {
      readonly event: "waiting" | "renewed";
      readonly fingerprint: Fingerprint;
      readonly notAfter: Instant;
      readonly dueAt: Instant;
    }
  | {
      readonly event: "fault" | "untold";
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryIn: number;
    }
  | { readonly event: "told"; readonly fingerprint: Fingerprint };

export interface DaemonParts {
  /** The certificate as it is in its file now. */
  readonly certificate: () => ClientCertificate;
  /** Ends what was begun, and renews what is due, or is the certificate given. */
  readonly renew: (overdue: Fingerprint | undefined) => Promise<Renewal>;
  /** Tells those who use the files of a change. */
  readonly tell: ((stop: AbortSignal) => Promise<void>) | undefined;
  readonly announced: Announced;
  readonly clock: Clock;
  /** Waits, by a count that nobody can set; not beyond `stop`. */
  readonly sleep: (milliseconds: number, stop: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly report: (event: DaemonEvent) => void;
}

const LONGEST_SLEEP = MINUTE;
const SHORTEST_SLEEP = 50;
/** After its end, an admin has this long to let a certificate be renewed all the same. */
const LATE = HOUR;
/** What ends a daemon that has not opened its key yet. */
const passwordCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["PASSWORD_WRONG", "PASSWORD_REQUIRED"]);

/**
 * Keeps a credential in files renewed until it is stopped. No fault ends it but one that is final for these files.
 *
 * @throws Refusal CERT_REVOKED, RENEWED_BEFORE; CERT_EXPIRED an hour or more after the end; PASSWORD_WRONG, PASSWORD_REQUIRED when the key was never opened.
 */
export async function keepRenewed(parts: DaemonParts, stop: AbortSignal): Promise<void> {
  const telling = new Telling(parts, stop);
  const renewing = new Renewing(parts, stop, (certificate) => {
    telling.note(certificate);
  });
  while (!stop.aborted) {
    await renewing.look();
    telling.look(renewing.current);
    const pause = Math.min(LONGEST_SLEEP, renewing.pause(), telling.pause());
    const slept = Math.max(pause, SHORTEST_SLEEP);
    await parts.sleep(slept, stop);
    renewing.pass(slept);
    telling.pass(slept);
  }
  await telling.end();
}

class Renewing {
  readonly #parts: DaemonParts;
  readonly #stop: AbortSignal;
  readonly #onSeen: (certificate: Fingerprint) => void;
  readonly #retry: Retry;
  readonly #watch = new DueWatch();
  #current: Fingerprint | undefined;
  /** What an earlier process has begun is ended first. */
  #hasBegun = false;
  #hasOpened = false;

  constructor(parts: DaemonParts, stop: AbortSignal, onSeen: (certificate: Fingerprint) => void) {
    this.#parts = parts;
    this.#stop = stop;
    this.#onSeen = onSeen;
    this.#retry = new Retry(parts.random);
  }

  /** The certificate in the file, as it was seen last. */
  get current(): Fingerprint | undefined {
    return this.#current;
  }

  /** Renews if it is time to. */
  async look(): Promise<void> {
    if (this.#retry.wait > 0) return;
    try {
      const overdue = this.#see();
      if (this.#hasBegun && !this.#retry.isPending && overdue === undefined) return;
      await this.#renew(overdue);
      this.#see();
    } catch (error) {
      this.#failed(error);
    }
  }

  pause(): number {
    return this.#retry.isPending ? this.#retry.wait : this.#watch.dueIn(this.#parts.clock.now());
  }

  pass(milliseconds: number): void {
    this.#watch.pass(milliseconds);
    this.#retry.pass(milliseconds);
  }

  /** Returns the certificate if it is due. */
  #see(): Fingerprint | undefined {
    const { certificate, clock } = this.#parts;
    const found = certificate();
    this.#watch.see(found, clock.now());
    this.#current = found.fingerprint;
    this.#onSeen(found.fingerprint);
    return this.#watch.dueIn(clock.now()) <= 0 ? found.fingerprint : undefined;
  }

  async #renew(overdue: Fingerprint | undefined): Promise<void> {
    const { renewed, fingerprint, notAfter, dueAt } = await this.#parts.renew(overdue);
    if (renewed || !this.#hasBegun || this.#retry.isPending)
      this.#parts.report({ event: renewed ? "renewed" : "waiting", fingerprint, notAfter, dueAt });
    this.#hasBegun = true;
    this.#hasOpened = true;
    this.#retry.succeeded();
  }

  #failed(error: unknown): void {
    const { code, message } = faultOf(error);
    if (this.#stop.aborted) return;
    const left = this.#watch.endsIn(this.#parts.clock.now());
    const hasLongEnded = code === "CERT_EXPIRED" && left !== undefined && left <= -LATE;
    if (finalCodes.has(code) || hasLongEnded || (passwordCodes.has(code) && !this.#hasOpened)) throw error;
    if (code !== "FILE_UNREADABLE") this.#hasOpened = true;
    const retryIn = this.#retry.failed(code, left);
    this.#parts.report({ event: "fault", code, message, retryIn });
  }
}
