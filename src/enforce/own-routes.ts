import { isOwnRoute } from "../domain/own-routes.ts";
import { formatTime } from "../domain/time.ts";
import type { Handler } from "./listener.ts";
import { pathOf } from "./request-target.ts";
import type { Incoming } from "./transport.ts";

/** Whether this is answered here: whoever may call may ask, and no route's scopes are asked for. */
export function isOwn(request: Incoming): boolean {
  return isOwnRoute(request.method ?? "", pathOf(request));
}

/**
 * What the enforcement listener answers itself: `GET /whoami`.
 *
 * @param next for all else
 */
export function ownRoutes(next: Handler): Handler {
  return (request, response, caller) => {
    const { account, fingerprint, serial, scopes, notAfter } = caller;
    if (!isOwn(request)) {
      next(request, response, caller);
      return;
    }
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Cache-Control", "no-store");
    response.end(
      `${JSON.stringify({ account, fingerprint, serial, scopes, notAfter: formatTime(notAfter) })}\n`,
    );
  };
}
