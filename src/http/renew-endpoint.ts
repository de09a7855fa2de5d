import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ErrorCode } from "../domain/errors.ts";
import type { Answer } from "../services/issue/answer.ts";
import type { RenewalRequest } from "../services/issue/renew.ts";
import { certificateResponse, sendCertificate } from "./certificate-answer.ts";
import { csrCodes, csrFields, csrRequestBody, parseBody } from "./csr-body.ts";
import type { Operation } from "./openapi/operation.ts";
import { callerCodes } from "./openapi/problems.ts";
import { readBody } from "./request-body.ts";

export interface OwnRenewal {
  /** Who is calling, by the decision that every call gets, and from where. */
  readonly authorize: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => Promise<Pick<RenewalRequest, "decision" | "address">>;
  readonly renew: (wanted: RenewalRequest) => Promise<Answer>;
}

const bodySchema = z.strictObject({ csr: csrFields.csr, notAfter: csrFields.notAfter });

/** Why a credential is not renewed. */
export const renewalCodes: readonly ErrorCode[] = [
  ...callerCodes,
  "RENEWED_BEFORE",
  "NOT_RENEWABLE",
  ...csrCodes,
];

export const renewOperation: Operation = {
  id: "renewCertificate",
  listeners: ["ca"],
  method: "post",
  path: "/v1/certificates/renew",
  summary: "Renews the certificate that is presented, once",
  description:
    "Its successor has the same account, profile, scopes and limits. The same CSR gets the same certificate again, also once the old " +
    "one has ended; another CSR is `RENEWED_BEFORE`, and suspends all that came of that enrolment: send a lost request again as it was.",
  security: ["clientCertificate"],
  requestBody: csrRequestBody(bodySchema),
  responses: { 201: certificateResponse },
  codes: renewalCodes,
};

/**
 * `POST /v1/certificates/renew`, for the credential of the TLS handshake, which is what is renewed.
 *
 * Takes `application/json` {csr, notAfter?}, or the CSR itself as `application/pkcs10`; answers as an enrolment.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function renewEndpoint(
  { authorize, renew }: OwnRenewal,
  request: IncomingMessage,
  response: ServerResponse,
  wantsPem: boolean,
): Promise<void> {
  const body = await readBody(request);
  const caller = await authorize(request, response);
  const read = () => parseBody(request, body, bodySchema);
  sendCertificate(response, await renew({ ...caller, read }), wantsPem);
}
