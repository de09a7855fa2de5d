import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { retryAfter } from "../domain/request.ts";
import { SECOND, formatTime } from "../domain/time.ts";
import type { Asked, Outcome } from "../services/issue/ask.ts";
import { sendCertificate, csrBytes } from "./enrol-endpoint.ts";
import { answerJson } from "./json.ts";
import { mediaType, parseJsonBody, readBody } from "./request-body.ts";

/** What a stranger sends, and where from. */
export type RequestForCertificate = Pick<Asked, "csr" | "profile"> & { readonly address: string | undefined };

const bodySchema = z.strictObject({ csr: z.string(), profile: z.string().optional() });

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
  const outcome = await ask({ ...parseBody(request, body), address: request.socket.remoteAddress });
  if (!outcome.pending) {
    sendCertificate(response, outcome.answer, wantsPem);
    return;
  }
  const { id, spkiHash: keyFingerprint, expiresAt } = outcome.pending;
  response.setHeader("Retry-After", String(retryAfter(outcome.pending, outcome.now) / SECOND));
  answerJson(response, 202, { id, status: "pending", keyFingerprint, expiresAt: formatTime(expiresAt) });
}

function parseBody(request: IncomingMessage, body: Uint8Array): Pick<Asked, "csr" | "profile"> {
  const type = mediaType(request);
  if (type === "application/pkcs10") return { csr: body };
  if (type !== "application/json") {
    throw new Refusal("BODY_MALFORMED", "Send application/json, or a CSR as application/pkcs10.");
  }
  const { csr, profile } = parseJsonBody(body, bodySchema);
  return { csr: csrBytes(csr), profile };
}
