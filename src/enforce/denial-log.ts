import type { Denial } from "../domain/decision.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { pathOf } from "./request-target.ts";
import { type Incoming, addressOf } from "./transport.ts";

/** One line for each denial. What the caller sent (method, path) is a value only: the logger escapes it. */
export function logDenial(
  logger: Logger,
  request: Incoming,
  { code, fingerprint, account }: Pick<Denial, "fingerprint" | "account"> & { readonly code: ErrorCode },
  requestId: string,
): void {
  const { method } = request;
  const address = addressOf(request);
  const fields = { requestId, code, fingerprint, account, address, method, path: pathOf(request) };
  logger.info(fields, "denied");
}
