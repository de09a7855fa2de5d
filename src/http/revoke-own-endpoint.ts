import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Caller, Decision } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import { holdersReasons } from "../domain/revocation.ts";
import type { Revocation } from "../services/revocation.ts";
import { answerJson } from "./json.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";
import { callerCodes } from "./openapi/problems.ts";
import { requireJson, readBody, parseJsonBody } from "./request-body.ts";

export interface OwnRevocation {
  /** Who is calling, by the decision that every call gets. */
  readonly authorize: (request: IncomingMessage, response: ServerResponse) => Promise<Decision>;
  /** Resolves when the calls that come from now on are refused. */
  readonly revoke: (caller: Caller, id: string, reason: string) => Promise<Revocation>;
}

const bodySchema = z.strictObject({
  reason: z
    .string()
    .default("unspecified")
    .describe(`RFC 5280's name of the reason: ${holdersReasons.join(", ")}.`),
});

const revokedSchema = z
  .object({
    fingerprint: fields.fingerprint,
    serial: fields.serial,
    status: z.literal("revoked"),
    reason: z.enum(holdersReasons).describe("As it was given."),
  })
  .meta({ id: "Revoked", description: "A certificate that is revoked, for good." });

export const revokeOwnOperation: Operation = {
  id: "revokeOwnCertificate",
  listeners: ["ca"],
  method: "post",
  path: "/v1/certificates/{id}/revoke",
  summary: "A credential ends itself",
  description: "Its next call is refused, on open connections as well.",
  security: ["clientCertificate"],
  parameters: [
    {
      in: "path",
      name: "id",
      description: "The fingerprint or the serial number of the certificate that is presented.",
      schema: z.string(),
    },
  ],
  requestBody: { required: true, content: { "application/json": bodySchema } },
  responses: {
    200: { description: "It is revoked.", content: { "application/json": revokedSchema } },
  },
  codes: [
    ...callerCodes,
    "BODY_MALFORMED",
    "BODY_TOO_LARGE",
    "NOT_OWN_CREDENTIAL",
    "REASON_UNKNOWN",
    "ALREADY_REVOKED",
    "NOT_FOUND",
    "UNAVAILABLE",
    "INTERNAL",
  ],
};

/**
 * `POST /v1/certificates/ID/revoke` {reason?}, for the credential ID itself, over mTLS.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function revokeOwnEndpoint(
  { authorize, revoke }: OwnRevocation,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
): Promise<void> {
  const body = await readBody(request);
  const decision = await authorize(request, response);
  if (!decision.allowed) {
    const { code, fingerprint } = decision;
    throw new Refusal(code, undefined, fingerprint && `presented ${fingerprint}`);
  }
  requireJson(request);
  const { reason } = parseJsonBody(body, bodySchema);
  const { certificate } = await revoke(decision.caller, id, reason);
  response.setHeader("Connection", "close"); // this one has no more to ask
  const { fingerprint, serial } = certificate;
  answerJson(response, 200, { fingerprint, serial, status: "revoked", reason });
}
