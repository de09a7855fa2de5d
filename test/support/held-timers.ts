import { vi } from "vitest";

interface Held {
  readonly delay: number;
  readonly repeats: boolean;
  readonly run: () => void;
}

/**
 * Timers that come due when they are told to: time passes for whatever waits no longer than some delay. Real time goes
 * on for what the database and the machine do by themselves.
 */
export class HeldTimers {
  readonly #held = new Map<object, Held>();

  /** In the place of the global ones, until `release`. */
  hold(): void {
    const put =
      (repeats: boolean) =>
      (callback: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) => {
        const handle = { ref: () => handle, unref: () => handle, hasRef: () => true };
        this.#held.set(handle, {
          ...{ delay, repeats },
          run: () => {
            callback(...args);
          },
        });
        return handle;
      };
    const clearReal = globalThis.clearTimeout;
    const clear = (handle: NodeJS.Timeout | undefined): void => {
      if (handle !== undefined && !this.#held.delete(handle)) clearReal(handle);
    };
    vi.stubGlobal("setTimeout", put(false));
    vi.stubGlobal("setInterval", put(true));
    vi.stubGlobal("clearTimeout", clear);
    vi.stubGlobal("clearInterval", clear);
  }

  release(): void {
    vi.unstubAllGlobals();
    this.#held.clear();
  }

  /** Whether something waits for just so long. */
  holds(delay: number): boolean {
    return [...this.#held.values()].some((held) => held.delay === delay);
  }

  /** Lets everything come due that waits no longer than that; what it starts to wait for is not among it. */
  pass(delay: number): void {
    for (const [handle, held] of [...this.#held]) {
      if (held.delay > delay || !this.#held.has(handle)) continue;
      if (!held.repeats) this.#held.delete(handle);
      held.run();
    }
  }
}
