import { type Cidr, addressMatcher } from "./address.ts";
import { Refusal } from "./errors.ts";
import { formatDuration, parseDuration, DAY, SECOND } from "./time.ts";

/** Of requests: so many an interval, and so many at once after a pause. */
export interface Rate {
  readonly count: number;
  /** Milliseconds. */
  readonly interval: number;
  readonly burst: number;
}

/** What limits the calls of an account, or of one credential: both have to allow a call. */
export interface CallLimits {
  /** Addresses that it may call from; none means any. */
  readonly allowIps: readonly Cidr[];
  /** Addresses that it may not call from, whatever is allowed. */
  readonly denyIps: readonly Cidr[];
  readonly rate: Rate | undefined;
  /** Connections at once. */
  readonly maxConnections: number | undefined;
}

export const noLimits: CallLimits = {
  allowIps: [],
  denyIps: [],
  rate: undefined,
  maxConnections: undefined,
};

const MOST_REQUESTS = 1_000_000_000;
const MOST_CONNECTIONS = 1_000_000;

/** Reads `100/1m`, with a burst of as many. Throws RATE_INVALID. */
export function parseRate(text: string): Rate {
  const [, count = "", duration = ""] = /^([1-9][0-9]{0,9})\/([1-9][0-9]{0,8}[smhd])$/.exec(text) ?? [];
  const interval = duration === "" ? Number.NaN : parseDuration(duration);
  if (!(Number(count) <= MOST_REQUESTS && interval >= SECOND && interval <= DAY)) {
    throw new Refusal(
      "RATE_INVALID",
      `'${text}' is not a rate such as 100/1m: so many requests in a time from 1s to 1d, in s, m, h or d.`,
    );
  }
  return { count: Number(count), interval, burst: Number(count) };
}

export type Burst = number | "default";

/** Reads how many requests may come at once; nothing is the default. Throws RATE_INVALID. */
export function parseBurst(text: string): Burst {
  if (text === "") return "default";
  if (/^[1-9][0-9]{0,9}$/.test(text) && Number(text) <= MOST_REQUESTS) return Number(text);
  throw new Refusal("RATE_INVALID", `'${text}' is not a number of requests at once.`);
}

/**
 * A rate with another burst, if one is given; "default" is as many as the rate says, of no rate none.
 *
 * @throws Refusal RATE_INVALID for any other burst of no rate.
 */
export function withBurst(rate: Rate | undefined, burst: Burst | undefined): Rate | undefined {
  if (burst === undefined) return rate;
  if (burst === "default") return rate && { ...rate, burst: rate.count };
  if (!rate) throw new Refusal("RATE_INVALID", "A burst needs a rate.");
  return { ...rate, burst };
}

/** As it is written, without the burst. */
export function formatRate({ count, interval }: Rate): string {
  return `${String(count)}/${formatDuration(interval)}`;
}

/** Throws LIMIT_INVALID. */
export function parseMaxConnections(text: string): number {
  if (/^[1-9][0-9]{0,6}$/.test(text) && Number(text) <= MOST_CONNECTIONS) return Number(text);
  throw new Refusal("LIMIT_INVALID", `'${text}' is not a number of connections from 1 to a million.`);
}

/** Whether a call may come from an address; `undefined` allows any, and none that is no address. */
export function addressRule({
  allowIps,
  denyIps,
}: Pick<CallLimits, "allowIps" | "denyIps">): ((address: string) => boolean) | undefined {
  if (allowIps.length === 0 && denyIps.length === 0) return undefined;
  const isAddress = addressMatcher(anywhere);
  const allowed = allowIps.length === 0 ? isAddress : addressMatcher(allowIps);
  const denied = addressMatcher(denyIps);
  return (address) => allowed(address) && !denied(address);
}

const anywhere = ["0.0.0.0/0", "::/0"] as Cidr[];
