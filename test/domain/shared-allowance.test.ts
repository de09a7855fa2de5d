import { expect, test } from "vitest";
import { SharedAllowance } from "../../src/domain/shared-allowance.ts";
import { SECOND } from "../../src/domain/time.ts";
import { testClock } from "../support/issuing.ts";

const limits = { each: { rate: 1, burst: 3 }, all: { rate: 4, burst: 5 } };
const taken = (allowance: SharedAllowance, who: string, attempts: number): number =>
  Array.from({ length: attempts }, () => allowance.take(who)).filter(Boolean).length;

test("nobody takes more than a part, and all together no more than there is", () => {
  const clock = testClock();
  const allowance = new SharedAllowance(clock, limits);
  expect(taken(allowance, "one", 1000)).toBe(3);
  expect(taken(allowance, "another", 1000)).toBe(2);
  clock.advance(SECOND);
  expect(taken(allowance, "one", 1000)).toBe(1);
  expect(taken(allowance, "another", 1000)).toBe(1);
  expect(taken(allowance, "a third", 1000)).toBe(2);
});

test("who took nothing for the longest time is forgotten, so that no flood fills the memory", () => {
  const allowance = new SharedAllowance(testClock(), {
    each: { rate: 1, burst: 1 },
    all: { rate: 1, burst: 1e6 },
  });
  expect(allowance.take("first")).toBe(true);
  expect(allowance.take("second")).toBe(true);
  expect(allowance.take("first")).toBe(false);
  for (let count = 0; count < 9_999; count++) allowance.take(String(count));
  expect(allowance.size).toBe(10_000);
  expect(allowance.take("first")).toBe(false);
  expect(allowance.take("second")).toBe(true);
});
