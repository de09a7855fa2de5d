import type { Express } from "express";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { methodNotAllowed } from "./errors.ts";
import type { Operation } from "./openapi/operation.ts";

const METRICS_TOO = "On the metrics listener for the command `gateway` alone, which has no public one.";

export const healthOperations: readonly Operation[] = [
  {
    id: "getLiveness",
    listeners: ["public", "metrics"],
    method: "get",
    path: "/healthz",
    summary: "Whether the process answers",
    description: METRICS_TOO,
    security: [],
    responses: {
      200: {
        description: "It does.",
        content: { "application/json": z.object({ status: z.literal("ok") }) },
      },
    },
    codes: ["INTERNAL"],
  },
  {
    id: "getReadiness",
    listeners: ["public", "metrics"],
    method: "get",
    path: "/readyz",
    summary: "Whether it is fit for its work",
    description: METRICS_TOO,
    security: [],
    responses: {
      200: {
        description: "It is.",
        content: { "application/json": z.object({ status: z.literal("ready") }) },
      },
    },
    codes: ["UNAVAILABLE", "INTERNAL"],
  },
];

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
