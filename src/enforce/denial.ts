import type { ServerResponse } from "node:http";
import { type DenialCode, errorTable } from "../domain/errors.ts";
import { problem } from "../domain/problem.ts";

/** The denials after which the same connection can never do better. */
const hopeless: readonly DenialCode[] = [
  "CERT_REQUIRED",
  "CERT_UNTRUSTED",
  "CERT_PURPOSE",
  "CERT_EXPIRED",
  "CERT_REVOKED",
  "MISDIRECTED",
];

/** Answers with the problem document of a denial. */
export function deny(response: ServerResponse, code: DenialCode, requestId: string): void {
  const [status] = errorTable[code];
  response.statusCode = status;
  // RFC 9110 §15.5.2 wants a challenge; no scheme is registered for client certificates.
  if (status === 401) response.setHeader("WWW-Authenticate", 'Certificate realm="countersign"');
  if (status === 503) response.setHeader("Retry-After", "5");
  if (hopeless.includes(code)) response.setHeader("Connection", "close");
  response.setHeader("Content-Type", "application/problem+json");
  response.setHeader("Cache-Control", "no-store");
  response.end(`${JSON.stringify(problem(code, requestId))}\n`);
}
