import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ErrorCode } from "../domain/errors.ts";
import type { Answer } from "../services/issue/answer.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { bearerToken } from "./authorization.ts";
import { certificateResponse, sendCertificate } from "./certificate-answer.ts";
import { csrCodes, csrFields, csrRequestBody, parseBody } from "./csr-body.ts";
import type { Operation } from "./openapi/operation.ts";
import { readBody } from "./request-body.ts";

const bodySchema = z.strictObject(csrFields);

/** Why a token gets no certificate. */
export const tokenCodes = [
  "TOKEN_REQUIRED",
  "TOKEN_MALFORMED",
  "TOKEN_UNKNOWN",
  "TOKEN_USED",
  "TOKEN_EXPIRED",
  "TOKEN_REVOKED",
  "TOKEN_ADDRESS",
  "TOKEN_KEY",
  "ACCOUNT_SUSPENDED",
] as const satisfies readonly ErrorCode[];

export const enrolOperation: Operation = {
  id: "enrolCertificate",
  listeners: ["ca"],
  method: "post",
  path: "/v1/certificates",
  summary: "Issues a certificate for an enrolment token",
  description:
    "Account, profile and scopes are the token's; `profile` may say which that is. What a CSR asks for beyond its key does not " +
    "count. The same token with the same CSR gets the same certificate for as long as the token lives, so a lost answer burns nothing.",
  security: ["enrolmentToken"],
  requestBody: csrRequestBody(bodySchema),
  responses: { 201: certificateResponse },
  codes: [...tokenCodes, ...csrCodes],
};

/**
 * `POST /v1/certificates`, for whoever has an enrolment token.
 *
 * Takes `application/json` {csr, profile?, notAfter?}, or the CSR itself as `application/pkcs10` (RFC 5967; PEM or DER).
 *
 * @param wantsPem answers the chain alone (`application/pem-certificate-chain`, RFC 8555 §9.1) instead of JSON
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function enrolEndpoint(
  enrol: (enrolment: Enrolment) => Promise<Answer>,
  request: IncomingMessage,
  response: ServerResponse,
  wantsPem: boolean,
): Promise<void> {
  const token = bearerToken(request);
  const body = await readBody(request);
  const address = request.socket.remoteAddress;
  const asked = parseBody(request, body, bodySchema);
  sendCertificate(response, await enrol({ token, address, ...asked }), wantsPem);
}
