import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ErrorCode } from "../domain/errors.ts";
import { retryAfter } from "../domain/request.ts";
import { type Instant, SECOND, formatTime } from "../domain/time.ts";
import type { Asked, Outcome } from "../services/issue/ask.ts";
import { certificateResponse, sendCertificate } from "./certificate-answer.ts";
import { csrCodes, csrFields, csrRequestBody, parseBody } from "./csr-body.ts";
import { answerJson } from "./json.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation, OperationResponse } from "./openapi/operation.ts";
import { readBody } from "./request-body.ts";

/** What a stranger sends, and where from. */
export type RequestForCertificate = Pick<Asked, "csr" | "profile"> & { readonly address: string | undefined };

const bodySchema = z.strictObject({ csr: csrFields.csr, profile: csrFields.profile });

const pendingSchema = z
  .object({
    id: z.string().describe("The request's."),
    status: z.literal("pending"),
    keyFingerprint: fields.keyFingerprint,
    expiresAt: fields.time("Until when it waits"),
  })
  .meta({ id: "Pending", description: "A request that waits for an admin." });

export const pendingResponse: OperationResponse = {
  description: "It waits for an admin.",
  content: { "application/json": pendingSchema },
  headers: { "Retry-After": "Seconds, until it is worth asking again." },
};

/** Why there is no certificate for who has no token, besides what is wrong with a CSR. */
export const approvalCodes = [
  "REQUEST_DENIED",
  "REQUEST_LIMIT",
  "RATE_LIMITED",
  "ACCOUNT_SUSPENDED",
  // An approval is kept as a token, which an admin may take back.
  "TOKEN_UNKNOWN",
  "TOKEN_EXPIRED",
  "TOKEN_REVOKED",
] as const satisfies readonly ErrorCode[];

export const requestOperation: Operation = {
  id: "requestCertificate",
  listeners: ["ca"],
  method: "post",
  path: "/v1/requests",
  summary: "Asks for a certificate without a token",
  description:
    "Only where approval is turned on (`serve --approval`): else it is `NOT_FOUND`. An admin compares the key's fingerprint and approves " +
    "it; nothing is signed before. To come back, send the same CSR again. `profile` is a wish, for the admin to see.",
  security: [],
  requestBody: csrRequestBody(bodySchema),
  responses: {
    201: { ...certificateResponse, description: `It was approved. ${certificateResponse.description}` },
    202: pendingResponse,
  },
  codes: [...approvalCodes, "NOT_FOUND", ...csrCodes],
};

/**
 * `POST /v1/requests`, for anyone. The body is `POST /v1/certificates`', without a time.
 *
 * Answers 202 {id, status, keyFingerprint, expiresAt} with Retry-After while an admin has not decided, and 201 as an
 * enrolment does once the key is approved.
 *
 * @param wantsPem answers 201 with the chain alone
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function requestEndpoint(
  ask: (asked: RequestForCertificate) => Promise<Outcome>,
  request: IncomingMessage,
  response: ServerResponse,
  wantsPem: boolean,
): Promise<void> {
  const body = await readBody(request);
  const { csr, profile } = parseBody(request, body, bodySchema);
  const outcome = await ask({ csr, profile, address: request.socket.remoteAddress });
  if (!outcome.pending) {
    sendCertificate(response, outcome.answer, wantsPem);
    return;
  }
  sendPending(response, outcome);
}

/** 202, with Retry-After: an admin has not decided yet. */
export function sendPending(
  response: ServerResponse,
  { pending, now }: Extract<Outcome, { now: Instant }>,
): void {
  const { id, spkiHash: keyFingerprint, expiresAt } = pending;
  response.setHeader("Retry-After", String(retryAfter(pending, now) / SECOND));
  answerJson(response, 202, { id, status: "pending", keyFingerprint, expiresAt: formatTime(expiresAt) });
}
