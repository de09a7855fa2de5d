import type { Clock } from "./ports.ts";

/**
 * A clock that is not set back: what ended while this process ran stays ended.
 *
 * @param wall what the system says the time is
 * @param elapsed milliseconds of a count that only grows, whatever the clock is set to
 */
export function steadyClock(wall: Clock, elapsed: () => number): Clock {
  const began = wall.now() - elapsed();
  // Not "the latest time that was seen": a clock that was years ahead for a moment would have everybody's certificate
  // ended until a restart. The time that has passed since the start is certain, and nobody can set it.
  return { now: () => Math.max(wall.now(), began + elapsed()) };
}
