import { randomUUID } from "node:crypto";
import { formatTime } from "../domain/time.ts";
import { deny } from "./denial.ts";
import type { Handler } from "./listener.ts";
import { pathOf } from "./request-target.ts";

/** What the enforcement listener of `serve` answers itself: `GET /whoami`, and NO_ROUTE for the rest. */
export const ownRoutes: Handler = (request, response, caller) => {
  const isReading = request.method === "GET" || request.method === "HEAD";
  if (pathOf(request) !== "/whoami" || !isReading) {
    deny(response, { code: "NO_ROUTE" }, randomUUID());
    return;
  }
  const { account, fingerprint, serial, scopes, notAfter } = caller;
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Cache-Control", "no-store");
  response.end(
    `${JSON.stringify({ account, fingerprint, serial, scopes, notAfter: formatTime(notAfter) })}\n`,
  );
};
