import { Refusal } from "./errors.ts";

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const units: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/** Reads `90s`, `15m`, `24h` or `30d`; returns milliseconds. Throws DURATION_INVALID. */
export function parseDuration(text: string): number {
  const match = /^([1-9][0-9]{0,8})([smhd])$/.exec(text);
  const unit = units[match?.[2] ?? ""];
  if (match?.[1] === undefined || unit === undefined) {
    throw new Refusal("DURATION_INVALID", `'${text}' is not a duration such as 90s, 15m, 24h or 30d.`);
  }
  return Number(match[1]) * unit;
}

/** A duration as it is written, in the largest unit that has no rest. */
export function formatDuration(milliseconds: number): string {
  const [unit, length] = Object.entries(units).findLast(([, size]) => milliseconds % size === 0) ?? [
    "s",
    SECOND,
  ];
  return `${String(milliseconds / length)}${unit}`;
}

/** Reads an RFC 3339 date-time with any offset. Throws TIME_INVALID. */
export function parseTime(text: string): Instant {
  const match = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const time = match ? Date.parse(text) : Number.NaN;
  // Date.parse lets 2030-02-30 roll over into March.
  const rolled = match?.[1] !== undefined && !isDate(match[1]);
  if (Number.isNaN(time) || rolled) throw new Refusal("TIME_INVALID", `'${text}' is not an RFC 3339 time.`);
  return time;
}

function isDate(text: string): boolean {
  const midnight = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text);
}

/** RFC 3339 in UTC, in whole seconds. */
export function formatTime(time: Instant): string {
  return new Date(wholeSeconds(time)).toISOString().replace(".000Z", "Z");
}

/** Certificates hold whole seconds (RFC 5280 §4.1.2.5). */
export function wholeSeconds(time: Instant): Instant {
  return Math.floor(time / SECOND) * SECOND;
}
