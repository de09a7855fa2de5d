import { beforeEach, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ports.ts";
import { steadyClock } from "../../src/domain/steady-clock.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { START, type TestClock, testClock } from "../support/issuing.ts";

let wall: TestClock;
let elapsed: number;
let steady: Clock;
beforeEach(() => {
  wall = testClock();
  elapsed = 5 * DAY; // since the machine was started, say
  steady = steadyClock(wall, () => elapsed);
});

function pass(milliseconds: number): void {
  wall.advance(milliseconds);
  elapsed += milliseconds;
}

test("goes by the system's clock", () => {
  expect(steady.now()).toBe(START);
  pass(HOUR);
  expect(steady.now()).toBe(START + HOUR);
});

test("goes on by the time that passed when that is set back", () => {
  pass(HOUR);
  wall.advance(-3 * HOUR);
  expect(steady.now()).toBe(START + HOUR);
  pass(MINUTE);
  expect(steady.now()).toBe(START + HOUR + MINUTE);
});

test("believes a clock that is set ahead, such as one that was slow, and after a sleep that is not counted", () => {
  wall.advance(DAY);
  expect(steady.now()).toBe(START + DAY);
});

test("is right again once a clock that was far ahead is", () => {
  wall.advance(1000 * DAY);
  expect(steady.now()).toBe(START + 1000 * DAY);
  wall.advance(-1000 * DAY);
  pass(MINUTE);
  expect(steady.now()).toBe(START + MINUTE);
});
