import { isOwnRoute } from "../domain/own-routes.ts";
import { formatTime } from "../domain/time.ts";
import type { Handler } from "./listener.ts";
import { pathOf } from "./request-target.ts";

/**
 * What the enforcement listener answers itself: `GET /whoami`.
 *
 * @param next for all else
 */
export function ownRoutes(next: Handler): Handler {
  return (request, response, caller) => {
    const { account, fingerprint, serial, scopes, notAfter } = caller;
    if (!isOwnRoute(request.method ?? "", pathOf(request))) {
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
