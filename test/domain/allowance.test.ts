import { expect, test } from "vitest";
import { Allowance } from "../../src/domain/allowance.ts";
import { HOUR, SECOND } from "../../src/domain/time.ts";
import { testClock } from "../support/issuing.ts";

const taken = (allowance: Allowance, attempts: number): number =>
  Array.from({ length: attempts }, () => allowance.take()).filter(Boolean).length;

test("allows a burst, then as many as time has passed for, and never more than a burst", () => {
  const clock = testClock();
  const allowance = new Allowance(clock, { rate: 10, burst: 30 });
  expect(taken(allowance, 100)).toBe(30);
  clock.advance(SECOND);
  expect(taken(allowance, 100)).toBe(10);
  clock.advance(SECOND / 20);
  expect(allowance.take()).toBe(false);
  clock.advance(SECOND / 20);
  expect(taken(allowance, 100)).toBe(1);
  clock.advance(HOUR);
  expect(taken(allowance, 100)).toBe(30);
});

test("a clock that is set back allows nothing more", () => {
  const clock = testClock();
  const allowance = new Allowance(clock, { rate: 10, burst: 1 });
  expect(taken(allowance, 2)).toBe(1);
  clock.advance(-HOUR);
  expect(allowance.take()).toBe(false);
  clock.advance(SECOND);
  expect(allowance.take()).toBe(true);
});
