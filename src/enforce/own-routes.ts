import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Caller } from "../domain/decision.ts";
import type { Logger } from "../domain/ports.ts";
import { isOwnRoute } from "../domain/own-routes.ts";
import { formatTime } from "../domain/time.ts";
import { logDenial } from "./denial-log.ts";
import { deny } from "./denial.ts";
import type { Handler } from "./listener.ts";
import { pathOf } from "./request-target.ts";

/**
 * What the enforcement listener of `serve` answers itself: `GET /whoami`, and NO_ROUTE for the rest.
 *
 * @param parts.onNoRoute told of a call that was let through, and is denied after all
 */
export function ownRoutes(parts: {
  readonly logger: Logger;
  readonly onNoRoute: (request: IncomingMessage, caller: Caller) => void;
}): Handler {
  return (request, response, caller) => {
    const { account, fingerprint, serial, scopes, notAfter } = caller;
    if (!isOwnRoute(request.method ?? "", pathOf(request))) {
      const requestId = randomUUID();
      parts.onNoRoute(request, caller);
      logDenial(parts.logger, request, { code: "NO_ROUTE", fingerprint, account }, requestId);
      deny(response, { code: "NO_ROUTE" }, requestId);
      return;
    }
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Cache-Control", "no-store");
    response.end(
      `${JSON.stringify({ account, fingerprint, serial, scopes, notAfter: formatTime(notAfter) })}\n`,
    );
  };
}
