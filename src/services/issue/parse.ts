import type { CertificationRequest } from "../../domain/ports.ts";
import type { IssuingParts } from "./parts.ts";

/** Step: parse. PEM or DER to a CSR that is strictly well formed. Throws CSR_MALFORMED, KEY_UNSUPPORTED, KEY_WEAK. */
export function parse(parts: IssuingParts, csr: Uint8Array): CertificationRequest {
  parts.onStep?.("parse");
  return parts.codec.parseRequest(csr);
}
