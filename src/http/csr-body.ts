import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { type Instant, parseTime } from "../domain/time.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { mediaType, parseJsonBody } from "./request-body.ts";

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
