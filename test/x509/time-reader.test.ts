import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader, tags } from "../../src/x509/der-reader.ts";
import { element, time } from "../../src/x509/der-writer.ts";
import { readTime } from "../../src/x509/time-reader.ts";

const { utcTime, generalizedTime, utf8String, octetString } = tags;
const otherForm = "DerError: a time in another form";
const noSuch = "DerError: no such time";

/** The time in RFC 3339, or what is thrown. */
function read(tag: number, text: string | Uint8Array): string {
  try {
    return new Date(readTime(new DerReader(element(tag, Buffer.from(text))).next())).toISOString();
  } catch (error) {
    return String(error);
  }
}

describe("a time is read", () => {
  it.each([
    ["the first year of UTCTime", utcTime, "500101000000Z", "1950-01-01T00:00:00.000Z"],
    ["the last second of a century", utcTime, "991231235959Z", "1999-12-31T23:59:59.000Z"],
    ["the first of the next", utcTime, "000101000000Z", "2000-01-01T00:00:00.000Z"],
    ["a leap day", utcTime, "240229120000Z", "2024-02-29T12:00:00.000Z"],
    ["the last second of UTCTime", utcTime, "491231235959Z", "2049-12-31T23:59:59.000Z"],
    ["the first of GeneralizedTime", generalizedTime, "20500101000000Z", "2050-01-01T00:00:00.000Z"],
    ["a leap day of a fourth century", generalizedTime, "24000229000000Z", "2400-02-29T00:00:00.000Z"],
    ["the end of time (§4.1.2.5)", generalizedTime, "99991231235959Z", "9999-12-31T23:59:59.000Z"],
  ])("%s", (_name, tag, text, expected) => {
    expect(read(tag, text)).toBe(expected);
  });
});

describe("a time is refused", () => {
  it.each<readonly [string, number, string, string]>([
    ["month 13", utcTime, "301301000000Z", noSuch],
    ["month 0", utcTime, "300001000000Z", noSuch],
    ["day 0", utcTime, "300100000000Z", noSuch],
    ["day 32", utcTime, "300132000000Z", noSuch],
    ["31 April", utcTime, "300431000000Z", noSuch],
    ["30 February", utcTime, "280230000000Z", noSuch],
    ["29 February of a common year", utcTime, "300229000000Z", noSuch],
    ["29 February of 2100", generalizedTime, "21000229000000Z", noSuch],
    ["hour 24", utcTime, "300101240000Z", noSuch],
    ["hour 24 of the month's last day", utcTime, "300131240000Z", noSuch],
    ["minute 60", utcTime, "300101006000Z", noSuch],
    ["second 60", utcTime, "161231235960Z", noSuch],
    ["month 13, in GeneralizedTime", generalizedTime, "20501301000000Z", noSuch],
    ["second 60, in GeneralizedTime", generalizedTime, "20501231235960Z", noSuch],
    ["UTCTime without seconds", utcTime, "3001010000Z", otherForm],
    ["UTCTime without Z", utcTime, "300101000000", otherForm],
    ["UTCTime with an offset", utcTime, "300101000000+0100", otherForm],
    ["UTCTime with an offset of nothing", utcTime, "300101000000+0000", otherForm],
    ["UTCTime with a fraction", utcTime, "300101000000.5Z", otherForm],
    ["UTCTime with a year of four digits", utcTime, "20300101000000Z", otherForm],
    ["UTCTime in small letters", utcTime, "300101000000z", otherForm],
    ["UTCTime with a line feed", utcTime, "300101000000Z\n", otherForm],
    ["UTCTime with a sign", utcTime, "-00101000000Z", otherForm],
    ["UTCTime with a space", utcTime, "30010100000 Z", otherForm],
    ["UTCTime with digits of another script", utcTime, "30010100000\u0660Z", otherForm],
    ["an empty UTCTime", utcTime, "", otherForm],
    ["GeneralizedTime without seconds", generalizedTime, "205001010000Z", otherForm],
    ["GeneralizedTime without Z", generalizedTime, "20500101000000", otherForm],
    ["GeneralizedTime with an offset", generalizedTime, "20500101000000-0500", otherForm],
    ["GeneralizedTime with a fraction", generalizedTime, "20500101000000.5Z", otherForm],
    ["GeneralizedTime with a comma", generalizedTime, "20500101000000,5Z", otherForm],
    ["GeneralizedTime with a year of two digits", generalizedTime, "500101000000Z", otherForm],
    ["GeneralizedTime with a year of five digits", generalizedTime, "100000101000000Z", otherForm],
    [
      "GeneralizedTime before 2050",
      generalizedTime,
      "20491231235959Z",
      "DerError: GeneralizedTime before 2050",
    ],
    [
      "GeneralizedTime of year 0",
      generalizedTime,
      "00000101000000Z",
      "DerError: GeneralizedTime before 2050",
    ],
    ["a UTF8String", utf8String, "300101000000Z", "DerError: a time of another type"],
    ["an OCTET STRING", octetString, "20500101000000Z", "DerError: a time of another type"],
  ])("%s", (_name, tag, text, message) => {
    expect(read(tag, text)).toBe(message);
  });
});

describe("whatever the digits, what is read is what they say", () => {
  const digits = fc
    .tuple(...[99, 99, 14, 33, 25, 61, 61].map((most) => fc.nat({ max: most })))
    .map((parts) => parts.map((part) => String(part).padStart(2, "0")));

  it.each([
    ["UTCTime", utcTime, 2],
    ["GeneralizedTime", generalizedTime, 0],
  ])("%s", (_name, tag, from) => {
    let taken = 0;
    fc.assert(
      fc.property(digits, ([century = "", year = "", month, day, hour, minute, second]) => {
        const full = tag === utcTime ? `${year < "50" ? "20" : "19"}${year}` : century + year;
        const iso = `${full}-${String(month)}-${String(day)}T${String(hour)}:${String(minute)}:${String(second)}.000Z`;
        const at = new Date(iso);
        // The language's own reader carries over as well: what comes out must be what went in.
        const isReal = !Number.isNaN(at.getTime()) && at.toISOString() === iso;
        const text = `${full}${iso.slice(4, 19)}Z`.replace(/[-:T]/g, "").slice(from);
        const isTaken = isReal && (tag === utcTime || full >= "2050");
        if (isTaken) taken += 1;
        expect(read(tag, text)).toMatch(
          isTaken ? iso : /^DerError: (no such time|GeneralizedTime before 2050)$/,
        );
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  it("and what is written is read again", () => {
    const [first, last] = [Date.UTC(1950, 0), Date.UTC(9999, 11, 31)];
    fc.assert(
      fc.property(fc.integer({ min: first / 1000, max: last / 1000 }), (seconds) => {
        expect(readTime(new DerReader(time(seconds * 1000)).next())).toBe(seconds * 1000);
      }),
      { numRuns: 2000, examples: [[-631152000], [2524607999], [2524608000]] },
    );
  });
});
