import type { CrlWanted } from "./crl.ts";
import type { Issuer } from "./ports.ts";
import type { CrlHead, CrlPoint } from "./records.ts";
import { HOUR, type Instant, MINUTE, wholeSeconds } from "./time.ts";

/** How long a CRL on schedule is valid. A new one is made at half of it. */
export const CRL_LIFE = 24 * HOUR;
/** How far the clocks of servers on one database may differ: what another made a moment ago is not of the future. */
const SKEW = MINUTE;

/**
 * Whether the next CRL on schedule is due, although nothing was revoked: at half of the last one's life, or of a shorter one
 * that is wanted now. Without a schedule, it begins now, and also when a clock was ahead: what it made is not valid yet.
 */
export function isCrlOld(head: CrlHead | undefined, now: Instant, life = CRL_LIFE): boolean {
  if (!head?.scheduled) return true;
  const { at } = head.scheduled;
  const isHalfOver = now >= at + Math.min(head.nextUpdate - at, life) / 2;
  return isHalfOver || now + SKEW < Math.max(head.thisUpdate, at);
}

export interface CrlPlan extends Omit<CrlWanted, "deltaUrl"> {
  scheduled: CrlPoint;
  base: CrlPoint;
}

/**
 * What an issuer's next CRL is to be.
 *
 * Deltas start from the scheduled CRL before the last one, so that whoever has any full CRL that is still valid can use
 * them (RFC 5280 §5.2.4): what is made in between ends with the scheduled one before it, and the next scheduled
 * one comes at half of that life. Certificates leave with a scheduled one, when they had expired before the
 * scheduled one before it: they were on one more of those (§3.3).
 */
export function planCrl(from: {
  readonly head: CrlHead | undefined;
  readonly issuer: Pick<Issuer, "notAfter">;
  readonly now: Instant;
  readonly basis: number;
  readonly life: number;
}): CrlPlan {
  const { head, now, life } = from;
  const number = (head?.number ?? 0) + 1;
  const thisUpdate = wholeSeconds(now);
  if (head?.scheduled && !isCrlOld(head, now, life)) {
    const { scheduled, base = scheduled, nextUpdate } = head;
    return { number, thisUpdate, nextUpdate, scheduled, base, floor: scheduled.floor };
  }
  const before = head?.scheduled?.at ?? head?.thisUpdate ?? 0;
  // By a clock that was ahead: nobody knows what was left out then, so all that may be on it comes back.
  const isOfLater = before > thisUpdate;
  const floor = isOfLater ? thisUpdate - life : before;
  const scheduled = { number, at: thisUpdate, basis: from.basis, floor };
  const base = isOfLater ? scheduled : (head?.scheduled ?? scheduled);
  const nextUpdate = Math.min(thisUpdate + life, from.issuer.notAfter);
  return { number, thisUpdate, nextUpdate, scheduled, base, floor };
}
