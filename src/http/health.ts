import type { Express } from "express";
import { Refusal } from "../domain/errors.ts";
import { methodNotAllowed } from "./errors.ts";

/**
 * Whether the process is there, and whether it is fit for its work: `/healthz` and `/readyz`.
 *
 * @param unreadiness what it lacks, for the log; nothing, if undefined
 */
export function addHealth(app: Express, unreadiness: () => string | undefined): void {
  const readOnly = methodNotAllowed("GET", "HEAD");
  app
    .route("/healthz")
    .get((_request, response) => {
      response.json({ status: "ok" });
    })
    .all(readOnly);
  app
    .route("/readyz")
    .get((_request, response) => {
      const lacking = unreadiness();
      if (lacking !== undefined) throw new Refusal("UNAVAILABLE", "Not ready yet.", lacking);
      response.json({ status: "ready" });
    })
    .all(readOnly);
}
