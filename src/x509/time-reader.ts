import type { Instant } from "../domain/time.ts";
import { type DerElement, DerError, tags } from "./der-reader.ts";

/**
 * Reads a certificate's time: UTCTime to 2049, GeneralizedTime from 2050, in whole seconds and UTC (RFC 5280 §4.1.2.5).
 *
 * @throws DerError.
 */
export function readTime({ tag, contents }: DerElement): Instant {
  const text = Buffer.from(contents).toString("latin1");
  const isUtc = tag === tags.utcTime;
  if (!isUtc && tag !== tags.generalizedTime) throw new DerError("a time of another type");
  if (!(isUtc ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw new DerError("a time in another form");
  // §4.1.2.5.1: two digits from 50 on are of the twentieth century.
  const digits = isUtc ? (text < "50" ? `20${text}` : `19${text}`) : text;
  const part = (from: number, length = 2): number => Number(digits.slice(from, from + length));
  const year = part(0, 4);
  if (!isUtc && year < 2050) throw new DerError("GeneralizedTime before 2050");
  const time = Date.UTC(year, part(4) - 1, part(6), part(8), part(10), part(12));
  // Date.UTC carries over what is too large: then the day, or one of these, tells.
  const isReal = part(4) >= 1 && part(4) <= 12 && part(8) < 24 && part(10) < 60 && part(12) < 60;
  if (!isReal || new Date(time).getUTCDate() !== part(6)) throw new DerError("no such time");
  return time;
}
