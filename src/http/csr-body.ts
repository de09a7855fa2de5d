import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { type ErrorCode, Refusal } from "../domain/errors.ts";
import { type Instant, parseTime } from "../domain/time.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import * as fields from "./openapi/fields.ts";
import type { RequestBody } from "./openapi/operation.ts";
import { mediaType, parseJsonBody } from "./request-body.ts";

/** What a request for a certificate says. */
export const csrFields = {
  csr: z.string().describe("The CSR (PKCS#10), in PEM or as base64 of DER."),
  profile: z.string().optional().describe("The profile's name."),
  notAfter: z.string().optional().meta({
    format: "date-time",
    description: "When it is to end, in RFC 3339, within what the profile allows.",
  }),
};

/** What is asked for, as it comes in JSON. */
type Body = z.infer<z.ZodObject<typeof csrFields>>;

/** @param schema that JSON is read by */
export function csrRequestBody(schema: z.ZodType): RequestBody {
  const bare = fields.octets("The CSR by itself, in PEM or DER (RFC 5967).");
  return { required: true, content: { "application/json": schema, "application/pkcs10": bare } };
}

/** What may be wrong with what is to be signed, or with who is to sign it. */
export const csrCodes = [
  "BODY_MALFORMED",
  "BODY_TOO_LARGE",
  "CSR_MALFORMED",
  "CSR_SIGNATURE_INVALID",
  "KEY_UNSUPPORTED",
  "KEY_WEAK",
  "KEY_BLOCKED",
  "KEY_IN_USE",
  "PROFILE_UNKNOWN",
  "PROFILE_UNFIT",
  "VALIDITY_INVALID",
  "UNAVAILABLE",
  "INTERNAL",
] as const satisfies readonly ErrorCode[];

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
