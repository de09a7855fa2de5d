import type { Denial } from "../domain/decision.ts";
import type { Logger } from "../domain/ports.ts";
import { pathOf } from "./request-target.ts";
import { type Incoming, addressOf } from "./transport.ts";

/** One line for each denial. What the caller sent (method, path) is a value only: the logger escapes it. */
export function logDenial(
  logger: Logger,
  request: Incoming,
  { code, fingerprint, account }: Omit<Denial, "allowed">,
  requestId: string,
): void {
  const { method } = request;
  const address = addressOf(request);
  const fields = { requestId, code, fingerprint, account, address, method, path: pathOf(request) };
  logger.info(fields, "denied");
}
