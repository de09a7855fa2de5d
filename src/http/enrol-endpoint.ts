import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { type Instant, formatTime, parseTime } from "../domain/time.ts";
import type { Answer } from "../services/issue/answer.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { bearerToken } from "./bearer-token.ts";
import { mediaType, parseJsonBody, readBody } from "./request-body.ts";

const bodySchema = z.strictObject({
  csr: z.string(),
  profile: z.string().optional(),
  notAfter: z.string().optional(),
});

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

/** 201 with a certificate, new or given again: as JSON, or the chain alone. */
export function sendCertificate(response: ServerResponse, answer: Answer, wantsPem: boolean): void {
  const text = wantsPem ? answer.chain : json(answer);
  response.writeHead(201, {
    "Content-Type": wantsPem ? "application/pem-certificate-chain" : "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(text);
}

function json({ record, certificate, chain }: Answer): string {
  const { fingerprint, serial, account } = record;
  const [notBefore, notAfter] = [formatTime(record.notBefore), formatTime(record.notAfter)];
  return JSON.stringify({ fingerprint, serial, certificate, chain, notBefore, notAfter, account });
}

/** What is asked for, as it comes in JSON. */
interface Body {
  readonly csr: string;
  readonly profile?: string | undefined;
  readonly notAfter?: string | undefined;
}

/**
 * Reads what is to be signed: JSON as the schema has it, or the CSR by itself.
 *
 * @throws Refusal BODY_MALFORMED, VALIDITY_INVALID.
 */
export function parseBody(
  request: IncomingMessage,
  bytes: Uint8Array,
  schema: z.ZodType<Body>,
): Omit<Enrolment, "token"> {
  const type = mediaType(request);
  if (type === "application/pkcs10") return { csr: bytes };
  if (type !== "application/json") {
    throw new Refusal("BODY_MALFORMED", "Send application/json, or a CSR as application/pkcs10.");
  }
  const { csr, profile, notAfter } = parseJsonBody(bytes, schema);
  return {
    csr: csrBytes(csr),
    profile,
    notAfter: notAfter === undefined ? undefined : requestedEnd(notAfter),
  };
}

/** PEM as it is; else base64 of DER. */
function csrBytes(csr: string): Uint8Array {
  return Buffer.from(csr, csr.includes("-----BEGIN") ? "latin1" : "base64");
}

function requestedEnd(text: string): Instant {
  try {
    return parseTime(text);
  } catch {
    throw new Refusal("VALIDITY_INVALID", "notAfter is not an RFC 3339 time, such as 2030-01-31T12:00:00Z.");
  }
}
