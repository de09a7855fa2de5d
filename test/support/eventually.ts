import { vi } from "vitest";

/** Waits until a check passes: for as long as that may take on a busy machine, so that only what never comes fails. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 60_000, interval: 20 });
}
