import { Refusal } from "../../domain/errors.ts";
import type { Clock } from "../../domain/ports.ts";
import { DAY, HOUR, MINUTE, SECOND, formatTime } from "../../domain/time.ts";
import { OutsideValidity, httpsRequest, httpsUrl } from "./https.ts";

/** Clocks that differ by less are right. */
const TOLERANCE = 2 * MINUTE;

/**
 * Says of a CLOCK_WRONG whose clock it is: compares this machine's with what the server says in its Date header. Nobody
 * vouches for that, and nothing but the sentence comes of it. Nothing but a question for the time is sent.
 *
 * @returns what to throw: CLOCK_WRONG with the difference; SERVER_UNTRUSTED when the clocks agree; else the error itself.
 */
export async function tellClocks(error: unknown, url: string, clock: Clock): Promise<unknown> {
  if (!(error instanceof OutsideValidity)) return error;
  const here = clock.now();
  const there = await serverTime(url);
  if (there === undefined) return error;
  const { host } = httpsUrl(url);
  if (Math.abs(here - there) < TOLERANCE) {
    return new Refusal(
      "SERVER_UNTRUSTED",
      `The certificate of ${host} ${error.fault}. Its own clock agrees: an admin has to renew it.`,
    );
  }
  const by = `${amount(Math.abs(here - there))} ${here < there ? "behind" : "ahead of"}`;
  return new Refusal(
    "CLOCK_WRONG",
    `This machine's clock (${formatTime(here)}) is ${by} that of ${host}, so that its certificate does not look valid. Set the clock.`,
  );
}

async function serverTime(url: string): Promise<number | undefined> {
  try {
    const { date = "" } = await httpsRequest(httpsUrl(url), { method: "HEAD", rejectUnauthorized: false });
    const time = Date.parse(date);
    return Number.isNaN(time) ? undefined : time;
  } catch {
    return undefined;
  }
}

function amount(milliseconds: number): string {
  const units: readonly (readonly [number, string])[] = [
    [DAY, "days"],
    [HOUR, "hours"],
    [MINUTE, "minutes"],
  ];
  const [size, name] = units.find(([size]) => milliseconds >= 2 * size) ?? [SECOND, "seconds"];
  return `${String(Math.round(milliseconds / size))} ${name}`;
}
