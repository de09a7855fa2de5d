import type { Caller } from "../../domain/decision.ts";
import type { Logger } from "../../domain/ports.ts";
import { type Incoming, addressOf } from "../transport.ts";
import { agentOf, plainAgent } from "../user-agent.ts";
import type { Routed } from "./destinations.ts";
import type { Outcome } from "./forward.ts";

/** Signs; a name of DNS has 253, and a port may follow. */
const LONGEST_HOST = 260;

/** What the log says of a call that has begun: at its end its connection may be gone. */
export type CallFields = ReturnType<typeof callFields>;

/** Nothing secret: of the target not the query, of the headers none but these. */
export function callFields(
  request: Incoming,
  { account, fingerprint }: Caller,
  { route, host, target }: Routed,
  requestId: string,
) {
  const agent = agentOf(request.rawHeaders);
  return {
    ...{ requestId, route: route.name, account, fingerprint },
    address: addressOf(request),
    host: host.authority === "" ? undefined : host.authority.slice(0, LONGEST_HOST),
    ...{ httpVersion: request.httpVersion, method: request.method },
    path: target.split("?", 1)[0],
    userAgent: agent === undefined ? undefined : plainAgent(agent),
  };
}

/**
 * A line for each call that is over.
 *
 * @param duration milliseconds
 */
export function logCall(
  logger: Logger,
  fields: CallFields,
  status: number,
  duration: number,
  { code, error, received, sent }: Outcome,
): void {
  const level = code?.startsWith("UPSTREAM_") === true ? "warn" : "info";
  const fault =
    error && level === "warn" ? { fault: (error as NodeJS.ErrnoException).code ?? error.message } : {};
  const outcome = { status, code, duration: Math.round(duration), received, sent };
  logger[level]({ ...fields, ...outcome, ...fault }, "call");
}
