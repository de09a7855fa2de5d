import { expect } from "vitest";

/** What it grows by after a quarter of the time is no more than what one look differs from the next. */
export function expectFlat(samples: readonly number[]): void {
  const quarter = Math.floor(samples.length / 4);
  const early = median(samples.slice(quarter, 2 * quarter));
  const late = median(samples.slice(-quarter));
  expect(late).toBeLessThan(1.1 * early + 2 ** 20);
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;
}
