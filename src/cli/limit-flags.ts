import type { Command } from "commander";
import type { Burst, CallLimits } from "../domain/call-limits.ts";
import { commaList } from "./options.ts";
import { listIn } from "./list-flags.ts";

export interface LimitFlags {
  readonly allowIp?: string[];
  readonly denyIp?: string[];
  readonly rate?: string;
  readonly burst?: string;
  readonly maxConnections?: string;
}

export function withLimits(command: Command): Command {
  return command
    .option("--allow-ip <cidr,…>", "addresses that it may call from (any)", commaList)
    .option("--deny-ip <cidr,…>", "addresses that it may not call from, whatever is allowed", commaList)
    .option("--rate <count/time>", "requests, such as 100/1m (any number)")
    .option("--burst <count>", "requests at once after a pause (as many as the rate says)")
    .option("--max-connections <count>", "connections at once (any number)");
}

/** What is given; an empty text takes a limit away. Throws CIDR_INVALID, RATE_INVALID, LIMIT_INVALID. */
export async function limitsIn(options: LimitFlags): Promise<Partial<CallLimits>> {
  const { parseCidr } = await import("../domain/address.ts");
  const { parseMaxConnections, parseRate } = await import("../domain/call-limits.ts");
  const { rate, maxConnections } = options;
  return {
    ...listIn("allowIps", options.allowIp, parseCidr),
    ...listIn("denyIps", options.denyIp, parseCidr),
    ...(rate !== undefined && { rate: rate === "" ? undefined : parseRate(rate) }),
    ...(maxConnections !== undefined && {
      maxConnections: maxConnections === "" ? undefined : parseMaxConnections(maxConnections),
    }),
  };
}

/** The burst that is given, if one is. Throws RATE_INVALID. */
export async function burstIn({ burst }: LimitFlags): Promise<Burst | undefined> {
  const { parseBurst } = await import("../domain/call-limits.ts");
  return burst === undefined ? undefined : parseBurst(burst);
}

/** As `--json` has them. */
export async function shownLimits({ allowIps, denyIps, rate, maxConnections }: CallLimits) {
  const { formatRate } = await import("../domain/call-limits.ts");
  return {
    ...{ allowIps, denyIps },
    rate: rate && { requests: formatRate(rate), burst: rate.burst },
    maxConnections,
  };
}

/** As people read them; those that are not set are left out. */
export function limitFields(
  limits: Awaited<ReturnType<typeof shownLimits>>,
): Record<string, string | undefined> {
  const { denyIps, rate, maxConnections } = limits;
  return {
    "Not from": denyIps.join(", ") || undefined,
    Rate: rate && `${rate.requests}, ${String(rate.burst)} at once`,
    Connections: maxConnections === undefined ? undefined : `at most ${String(maxConnections)} at once`,
  };
}
