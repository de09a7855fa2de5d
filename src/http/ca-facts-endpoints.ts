import type { RequestHandler } from "express";
import { z } from "zod";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";

export const rootsOperation: Operation = {
  id: "getRoots",
  listeners: ["ca"],
  method: "get",
  path: "/roots.pem",
  summary: "The trusted root",
  description:
    "Compare its fingerprint with the one that you were given: this answer comes before you can trust the server.",
  security: [],
  responses: {
    200: {
      description: "The root's certificate.",
      content: { "application/pem-certificate-chain": fields.text("PEM.") },
    },
  },
  codes: ["INTERNAL"],
};

/** `GET /roots.pem`, for anyone: the roots are public; a client compares their fingerprint with the one that it was given. */
export function rootsEndpoint(roots: string): RequestHandler {
  return (_request, response) => {
    response.type("application/pem-certificate-chain").send(roots);
  };
}

const healthSchema = z.object({
  status: z.literal("ok"),
  enforcePort: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe("Where calls are decided on, at the same host, where that is so."),
});

export const caHealthOperation: Operation = {
  id: "getHealth",
  listeners: ["ca"],
  method: "get",
  path: "/health",
  summary: "Whether the process answers",
  security: [],
  responses: { 200: { description: "It does.", content: { "application/json": healthSchema } } },
  codes: ["INTERNAL"],
};

/** `GET /health`, for anyone; the port is what whoever tries them one after the other finds. */
export function caHealthEndpoint(enforcePort: () => number | undefined): RequestHandler {
  return (_request, response) => {
    response.json({ status: "ok", enforcePort: enforcePort() });
  };
}
