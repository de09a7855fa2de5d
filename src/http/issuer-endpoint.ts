import type { RequestHandler } from "express";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";

export interface IssuerParts {
  /** A CA certificate, DER. */
  readonly issuer: (id: IssuerId) => Uint8Array | undefined;
}

export const issuerOperation: Operation = {
  id: "getIssuer",
  listeners: ["public"],
  method: "get",
  path: "/issuers/{name}",
  summary: "The certificate of an issuing CA, or of the root",
  security: [],
  parameters: [
    {
      in: "path",
      name: "name",
      description: "Its subject key identifier in hex, and `.crt`.",
      schema: z.string().regex(/^[0-9a-f]{40}\.crt$/),
    },
  ],
  responses: {
    200: { description: "The certificate.", content: { "application/pkix-cert": fields.octets("DER.") } },
  },
  codes: ["NOT_FOUND", "INTERNAL"],
};

/** `GET /issuers/NAME`, for anyone. */
export function issuerEndpoint({ issuer }: IssuerParts): RequestHandler<{ name: string }> {
  return (request, response) => {
    const der = issuer(idIn(request.params.name, ".crt"));
    if (!der) throw new Refusal("NOT_FOUND");
    response.type("application/pkix-cert").send(Buffer.from(der));
  };
}

/** The issuer that a file's name says. Throws NOT_FOUND. */
export function idIn(name: string, extension: string): IssuerId {
  if (!name.endsWith(extension)) throw new Refusal("NOT_FOUND");
  return parseIssuerId(name.slice(0, -extension.length));
}
