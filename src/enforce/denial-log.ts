import type { Denial } from "../domain/decision.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { pathOf } from "./request-target.ts";
import { type Incoming, addressOf } from "./transport.ts";

/** What a denial's line says of who was denied, and where. */
interface Denied extends Pick<Denial, "fingerprint" | "account"> {
  readonly code: ErrorCode;
  /** By name, where one is known that the request would have had. */
  readonly route?: string | undefined;
}

/** One line for each denial. What the caller sent (method, path) is a value only: the logger escapes it. */
export function logDenial(
  logger: Logger,
  request: Incoming,
  { code, route, fingerprint, account }: Denied,
  requestId: string,
): void {
  const { method, url, originalUrl } = request as Incoming & { readonly originalUrl?: string };
  const address = addressOf(request);
  const path = pathOf({ url: originalUrl ?? url }); // Express takes off where a router is mounted
  const fields = { requestId, code, route, fingerprint, account, address, method, path };
  logger.info(fields, "denied");
}
