import type { RequestHandler } from "express";
import type { Registry } from "prom-client";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";

export const metricsOperation: Operation = {
  id: "getMetrics",
  listeners: ["metrics"],
  method: "get",
  path: "/metrics",
  summary: "Figures, in Prometheus' text format",
  security: [],
  responses: {
    200: { description: "All of them.", content: { "text/plain": fields.text("The text format, 0.0.4.") } },
  },
  codes: ["INTERNAL"],
};

/** `GET /metrics`, for whoever reaches the listener. */
export function metricsEndpoint(registry: Registry): RequestHandler {
  return async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  };
}
