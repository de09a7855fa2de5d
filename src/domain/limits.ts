import { MINUTE, SECOND, formatDuration } from "./time.ts";

/** How much a TLS listener takes on. Times in milliseconds, sizes in octets. */
export interface Limits {
  /** Handshakes under way at once. */
  readonly handshakes: number;
  /** Of those, for one address (of IPv6: one /64). */
  readonly handshakesPerAddress: number;
  /** Connections that wait for their handshake to begin; half as many for one address. */
  readonly waiting: number;
  /** How long one may take, and how long a connection may wait for its beginning. */
  readonly handshakeTime: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly headerTime: number;
  readonly headerSize: number;
  readonly headerCount: number;
  /** For a whole request, the body too. */
  readonly requestTime: number;
  /** Of a request's body. */
  readonly bodySize: number;
  /** Between requests. */
  readonly idleTime: number;
}

export interface LimitRule {
  readonly kind: "count" | "size" | "time";
  readonly least: number;
  readonly most: number;
  readonly default: number;
}

const KIB = 1024;
const count = (value: number, most = 1_000_000): LimitRule => {
  return { kind: "count", least: 1, most, default: value };
};
const size = (value: number, most: number): LimitRule => ({ kind: "size", least: KIB, most, default: value });
const time = (value: number, most = 10 * MINUTE): LimitRule => {
  return { kind: "time", least: SECOND, most, default: value };
};

/** What each limit may be, and what it is when nothing is said. */
export const limitRules: Readonly<Record<keyof Limits, LimitRule>> = {
  handshakes: count(256),
  handshakesPerAddress: count(64),
  waiting: count(1024),
  handshakeTime: time(10 * SECOND),
  connections: count(20_000),
  connectionsPerAddress: count(2000),
  headerTime: time(15 * SECOND),
  headerSize: size(16 * KIB, KIB * KIB),
  headerCount: count(100, 10_000),
  requestTime: time(MINUTE),
  bodySize: size(64 * KIB, 1024 * KIB * KIB),
  idleTime: time(65 * SECOND),
};

export const limitNames = Object.keys(limitRules) as readonly (keyof Limits)[];

export const defaultLimits = Object.freeze(
  Object.fromEntries(limitNames.map((name) => [name, limitRules[name].default])),
) as unknown as Limits;

/** What is wrong with a limit; nothing, if undefined. */
export function limitFault(name: keyof Limits, value: unknown): string | undefined {
  const { least, most } = limitRules[name];
  const isWhole = typeof value === "number" && Number.isInteger(value);
  if (isWhole && value >= least && value <= most) return undefined;
  return `not ${describeRule(limitRules[name])}`;
}

/** What a limit may be, in words. */
export function describeRule({ kind, least, most }: LimitRule): string {
  const [from, to] = [least, most].map((value) => (kind === "time" ? formatDuration(value) : String(value)));
  const what = { count: "a whole number", size: "a number of octets", time: "a duration" }[kind];
  return `${what} from ${from ?? ""} to ${to ?? ""}`;
}

/**
 * What is wrong with limits that a service changes, each by its name; nothing, if empty. Unlike in a configuration, a time is
 * a number of milliseconds.
 */
export function limitChangeFaults(changed: unknown): string[] {
  if (typeof changed !== "object" || changed === null || Array.isArray(changed))
    return ["limits: not an object such as { connections: 1000 }"];
  return Object.entries(changed).flatMap(([name, value]: [string, unknown]) => {
    if (!Object.hasOwn(limitRules, name)) return [`limits.${name}: no such limit`];
    const rule = limitRules[name as keyof Limits];
    if (value === undefined || limitFault(name as keyof Limits, value) === undefined) return [];
    if (rule.kind !== "time") return [`limits.${name}: not ${describeRule(rule)}`];
    return [
      `limits.${name}: not a number of milliseconds from ${String(rule.least)} to ${String(rule.most)}`,
    ];
  });
}

/** Limits with some of them changed, in which `limitChangeFaults` finds no fault. */
export function withLimits(limits: Limits, changed: Partial<Limits>): Limits {
  const given = Object.entries(changed).filter((entry) => (entry[1] as number | undefined) !== undefined);
  return { ...limits, ...Object.fromEntries(given) };
}
