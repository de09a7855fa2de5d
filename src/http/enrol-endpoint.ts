import type { RequestHandler } from "express";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import type { CertificateRecord } from "../domain/records.ts";
import { type Instant, formatTime, parseTime } from "../domain/time.ts";
import { type Enrolment } from "../services/issue/enrol.ts";
import { bearerToken } from "./bearer-token.ts";
import { mediaType, parseJsonBody } from "./request-body.ts";

const bodySchema = z.strictObject({
  csr: z.string(),
  profile: z.string().optional(),
  notAfter: z.string().optional(),
});

/** The issued certificate, and the leaf with the issuing CA after it: PEM. */
export type ToPem = (certificate: CertificateRecord) => {
  readonly certificate: string;
  readonly chain: string;
};

/**
 * `POST /v1/certificates`, for whoever has an enrolment token.
 *
 * Takes `application/json` {csr, profile?, notAfter?}, or the CSR itself as `application/pkcs10` (RFC 5967; PEM or DER).
 * Answers JSON, or the chain alone to `Accept: application/pem-certificate-chain` (RFC 8555 §9.1).
 */
export function enrolEndpoint(
  enrol: (enrolment: Enrolment) => Promise<CertificateRecord>,
  toPem: ToPem,
): RequestHandler {
  return async (request, response) => {
    const token = bearerToken(request);
    const issued = await enrol({ token, ...parseBody(mediaType(request), request.body) });
    const pem = toPem(issued);
    response.status(201).set("Cache-Control", "no-store");
    if (request.accepts("application/json", "application/pem-certificate-chain") !== "application/json") {
      response.type("application/pem-certificate-chain").send(pem.chain);
      return;
    }
    response.json({
      fingerprint: issued.fingerprint,
      serial: issued.serial,
      ...pem,
      notBefore: formatTime(issued.notBefore),
      notAfter: formatTime(issued.notAfter),
      account: issued.account,
    });
  };
}

function parseBody(type: string, body: unknown): Omit<Enrolment, "token"> {
  const bytes = body instanceof Uint8Array ? body : new Uint8Array();
  if (type === "application/pkcs10") return { csr: bytes };
  if (type !== "application/json") {
    throw new Refusal("BODY_MALFORMED", "Send application/json, or a CSR as application/pkcs10.");
  }
  const { csr, profile, notAfter } = parseJsonBody(bytes, bodySchema);
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
