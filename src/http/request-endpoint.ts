import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { retryAfter } from "../domain/request.ts";
import { type Instant, SECOND, formatTime } from "../domain/time.ts";
import type { Asked, Outcome } from "../services/issue/ask.ts";
import { sendCertificate } from "./certificate-answer.ts";
import { parseBody } from "./csr-body.ts";
import { answerJson } from "./json.ts";
import { readBody } from "./request-body.ts";

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
