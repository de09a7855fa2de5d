import type { Clock } from "./ports.ts";
import type { Instant } from "./time.ts";

/** A clock that is not set back. */
export interface SteadyClock extends Clock {
  /** What time it is when the system says that it is `wall`. */
  by(wall: Instant): Instant;
}

/**
 * Makes of the system's clock one that is not set back: what ended while this process ran stays ended.
 *
 * @param wall what the system says the time is
 * @param elapsed milliseconds of a count that only grows, whatever the clock is set to
 */
export function steadyClock(wall: Clock, elapsed: () => number): SteadyClock {
  const began = wall.now() - elapsed();
  // Not "the latest time that was seen": a clock that was years ahead for a moment would have everybody's certificate
  // ended until a restart. The time that has passed since the start is certain, and nobody can set it.
  const by = (said: Instant): Instant => Math.max(said, began + elapsed());
  return { by, now: () => by(wall.now()) };
}
