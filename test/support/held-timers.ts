import { vi } from "vitest";

interface Held {
  readonly delay: number;
  readonly repeats: boolean;
  readonly run: () => void;
}

/**
 * Timers that come due when they are told to: time passes for whatever waits no longer than some delay. Packages' own go
 * by real time: a database that is asked just then is not to be given up for slow.
 */
export class HeldTimers {
  readonly #held = new Map<object, Held>();

  /** In the place of the global ones, until `release`. */
  hold(): void {
    const { setTimeout, setInterval, clearTimeout } = globalThis;
    const put =
      (repeats: boolean, real: (run: () => void, delay?: number) => NodeJS.Timeout) =>
      (callback: (...args: unknown[]) => void, delay = 0, ...args: unknown[]): object => {
        const run = (): void => {
          callback(...args);
        };
        if (isCalledByPackage()) return real(run, delay);
        const handle = { ref: () => handle, unref: () => handle, hasRef: () => true };
        this.#held.set(handle, { delay, repeats, run });
        return handle;
      };
    const clear = (handle: NodeJS.Timeout | undefined): void => {
      if (handle !== undefined && !this.#held.delete(handle)) clearTimeout(handle);
    };
    vi.stubGlobal("setTimeout", put(false, setTimeout));
    vi.stubGlobal("setInterval", put(true, setInterval));
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

  /** Whether something waits. */
  get isHolding(): boolean {
    return this.#held.size > 0;
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

/** Whether whoever called what calls this is in a package. */
function isCalledByPackage(): boolean {
  const [, , , caller = ""] = (new Error("where").stack ?? "").split("\n");
  return caller.includes("node_modules");
}
