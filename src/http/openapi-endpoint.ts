import { createHash } from "node:crypto";
import type { RequestHandler } from "express";
import { z } from "zod";
import type { Operation } from "./openapi/operation.ts";
import { ifNoneMatch } from "./openapi/parameters.ts";

export const openApiOperation: Operation = {
  id: "getOpenApi",
  listeners: ["ca"],
  method: "get",
  path: "/openapi.json",
  summary: "This document",
  security: [],
  parameters: [ifNoneMatch],
  responses: {
    200: {
      description: "OpenAPI 3.1.",
      content: {
        "application/json": z.looseObject({ openapi: z.string().describe("The version of OpenAPI.") }),
      },
      headers: { ETag: "What `If-None-Match` compares." },
    },
    304: { description: "`If-None-Match` has the ETag." },
  },
  codes: ["INTERNAL"],
};

/** `GET /openapi.json`, for anyone. @param document made once, when it is first asked for */
export function openApiEndpoint(document: () => object): RequestHandler {
  let made: { readonly body: Buffer; readonly tag: string } | undefined = undefined;
  return (_request, response) => {
    made ??= bodyOf(document());
    response.set("ETag", made.tag).set("Cache-Control", "no-cache").type("application/json").send(made.body);
  };
}

function bodyOf(document: object): { readonly body: Buffer; readonly tag: string } {
  const body = Buffer.from(`${JSON.stringify(document)}\n`);
  return { body, tag: `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"` };
}
