import { type ErrorCode, Refusal } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock } from "../domain/ports.ts";
import { type Instant, MINUTE } from "../domain/time.ts";
import type { Announced } from "./announced.ts";
import type { ClientCertificate } from "./certificate-files.ts";
import { DueWatch } from "./due-watch.ts";
import type { Renewal } from "./renew-files.ts";
import { retryAfter } from "./retry.ts";

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

/** After which nothing helps but enrolling again. */
const final: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["CERT_REVOKED", "RENEWED_BEFORE"]);
const LONGEST_SLEEP = MINUTE;
const SHORTEST_SLEEP = 50;

/**
 * Keeps a credential in files renewed until it is stopped. No fault ends it but one that is final for these files.
 *
 * @throws Refusal CERT_REVOKED, RENEWED_BEFORE; PASSWORD_WRONG when the key was never opened.
 */
export async function keepRenewed(parts: DaemonParts, stop: AbortSignal): Promise<void> {
  const telling = new Telling(parts, stop);
  const renewing = new Renewing(parts, (certificate) => {
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

/** Faults in a row, and the wait after them. */
class Retry {
  readonly #random: () => number;
  #failures = 0;
  #wait = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get isPending(): boolean {
    return this.#failures > 0;
  }

  /** Milliseconds until the next try. */
  get wait(): number {
    return this.#wait;
  }

  failed(code: ErrorCode, left: number | undefined): number {
    this.#failures += 1;
    this.#wait = retryAfter(this.#failures, { code, left }, this.#random());
    return this.#wait;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#wait = 0;
  }

  pass(milliseconds: number): void {
    this.#wait = Math.max(0, this.#wait - milliseconds);
  }
}

class Renewing {
  readonly #parts: DaemonParts;
  readonly #onSeen: (certificate: Fingerprint) => void;
  readonly #retry: Retry;
  readonly #watch = new DueWatch();
  #current: Fingerprint | undefined;
  /** What an earlier process has begun is ended first. */
  #hasBegun = false;
  #hasOpened = false;

  constructor(parts: DaemonParts, onSeen: (certificate: Fingerprint) => void) {
    this.#parts = parts;
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
    const { code, message } = fault(error);
    if (final.has(code) || (code === "PASSWORD_WRONG" && !this.#hasOpened)) throw error;
    if (code !== "FILE_UNREADABLE") this.#hasOpened = true;
    const retryIn = this.#retry.failed(code, this.#watch.endsIn(this.#parts.clock.now()));
    this.#parts.report({ event: "fault", code, message, retryIn });
  }
}

/** Beside the renewing, which does not wait for it. */
class Telling {
  readonly #parts: DaemonParts;
  readonly #stop: AbortSignal;
  readonly #retry: Retry;
  #underWay: Promise<void> | undefined;

  constructor(parts: DaemonParts, stop: AbortSignal) {
    this.#parts = parts;
    this.#stop = stop;
    this.#retry = new Retry(parts.random);
  }

  /** Before anything is changed: from here on a change is owed. */
  note(current: Fingerprint): void {
    try {
      if (this.#parts.tell) this.#parts.announced.isOwed(current);
    } catch {
      // It is tried again, and reported, when they are to be told.
    }
  }

  look(current: Fingerprint | undefined): void {
    const { tell, announced } = this.#parts;
    if (!tell || current === undefined || this.#underWay || this.#retry.wait > 0) return;
    try {
      if (!announced.isOwed(current)) return;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#underWay = this.#tell(tell, current).finally(() => {
      this.#underWay = undefined;
    });
  }

  pause(): number {
    return this.#retry.isPending && !this.#underWay ? this.#retry.wait : Infinity;
  }

  pass(milliseconds: number): void {
    this.#retry.pass(milliseconds);
  }

  async end(): Promise<void> {
    await this.#underWay;
  }

  async #tell(tell: (stop: AbortSignal) => Promise<void>, current: Fingerprint): Promise<void> {
    try {
      await tell(this.#stop);
      this.#parts.announced.settle(current);
      this.#retry.succeeded();
      this.#parts.report({ event: "told", fingerprint: current });
    } catch (error) {
      if (!this.#stop.aborted) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const { code, message } = fault(error);
    this.#parts.report({ event: "untold", code, message, retryIn: this.#retry.failed(code, undefined) });
  }
}

function fault(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  if (error instanceof Refusal) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}
