import type { Fingerprint } from "../../domain/identifiers.ts";
import type { DaemonParts } from "./renew-daemon.ts";
import { Retry, faultOf } from "./retry.ts";

/** Tells those who use the files of each change, until that succeeds. Goes on beside the renewing, which never waits for it. */
export class Telling {
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
    const { code, message } = faultOf(error);
    this.#parts.report({ event: "untold", code, message, retryIn: this.#retry.failed(code, undefined) });
  }
}
