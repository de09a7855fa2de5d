import { describe, expect, it, test } from "vitest";
import {
  DAY,
  HOUR,
  MINUTE,
  formatTime,
  formatDuration,
  parseDuration,
  parseTime,
  wholeSeconds,
} from "../../src/domain/time.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

describe("durations", () => {
  it.each([
    ["1s", 1000],
    ["90s", 90_000],
    ["15m", 15 * MINUTE],
    ["24h", 24 * HOUR],
    ["30d", 30 * DAY],
  ])("%s is %i ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each([
    "",
    "15",
    "m",
    "0s",
    "015m",
    "-5m",
    "+5m",
    "1.5h",
    "5 m",
    " 5m",
    "5m ",
    "5m\n",
    "5M",
    "1w",
    "1h30m",
    "1e3s",
  ])("%j is none", (text) => {
    expect(refusalOf(() => parseDuration(text))).toEqual({
      code: "DURATION_INVALID",
      message: `'${text}' is not a duration such as 90s, 15m, 24h or 30d.`,
    });
  });
});

describe("times", () => {
  const noon = Date.UTC(2030, 0, 31, 12);

  it.each([
    ["in UTC", "2030-01-31T12:00:00Z", noon],
    ["with an offset ahead", "2030-01-31T14:00:00+02:00", noon],
    ["with an offset behind", "2030-01-31T06:30:00-05:30", noon],
    ["with an offset over midnight", "2030-02-01T01:00:00+13:00", noon],
    ["with a fraction", "2030-01-31T12:00:00.250Z", noon + 250],
    ["on a leap day", "2028-02-29T00:00:00Z", Date.UTC(2028, 1, 29)],
    ["past 2038", "2099-12-31T23:59:59Z", Date.UTC(2099, 11, 31, 23, 59, 59)],
  ])("are read %s", (_name, text, time) => {
    expect(parseTime(text)).toBe(time);
  });

  it.each([
    ["a 30th of February", "2030-02-30T00:00:00Z"],
    ["a 29th of February in a common year", "2030-02-29T00:00:00Z"],
    ["a 31st of April with an offset", "2030-04-31T12:00:00+02:00"],
    ["month 13", "2030-13-01T00:00:00Z"],
    ["month 0", "2030-00-01T00:00:00Z"],
    ["day 0", "2030-01-00T00:00:00Z"],
    ["hour 24 (RFC 3339 §5.6 ends at 23)", "2030-01-31T24:00:00Z"],
    ["minute 60", "2030-01-31T12:60:00Z"],
    ["offset of 24 hours", "2030-01-31T12:00:00+24:00"],
    ["no offset", "2030-01-31T12:00:00"],
    ["no seconds", "2030-01-31T12:00Z"],
    ["a date alone", "2030-01-31"],
    ["a space for the T", "2030-01-31 12:00:00Z"],
    ["an offset without a colon", "2030-01-31T12:00:00+0200"],
    ["an expanded year", "+002030-01-31T12:00:00Z"],
    ["seconds since 1970", "1896091200"],
    ["words", "tomorrow"],
    ["nothing", ""],
    ["a line break after it", "2030-01-31T12:00:00Z\n"],
  ])("are refused: %s", (_name, text) => {
    expect(refusalOf(() => parseTime(text))).toEqual({
      code: "TIME_INVALID",
      message: `'${text}' is not an RFC 3339 time.`,
    });
  });

  it.each([
    [noon, "2030-01-31T12:00:00Z"],
    [noon + 999, "2030-01-31T12:00:00Z"],
    [0, "1970-01-01T00:00:00Z"],
    [-1, "1969-12-31T23:59:59Z"],
  ])("%i is written as %s", (time, text) => {
    expect(formatTime(time)).toBe(text);
    expect(parseTime(text)).toBe(wholeSeconds(time));
  });
});

test.each(["90s", "1s", "15m", "90m", "24h", "36h", "30d", "400d"])(
  "a duration is written as it is read: %s",
  (text) => {
    const written = formatDuration(parseDuration(text));
    expect(parseDuration(written)).toBe(parseDuration(text));
  },
);

test.each([
  [90_000, "90s"],
  [3_600_000, "1h"],
  [86_400_000, "1d"],
  [36 * 3_600_000, "36h"],
])("%i ms are %s", (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});
