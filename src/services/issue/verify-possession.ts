import type { CertificationRequest } from "../../domain/ports.ts";
import type { IssuingParts } from "./parts.ts";

/** Step: verify possession. Only the key's holder can have signed this CSR. Throws CSR_SIGNATURE_INVALID. */
export function verifyPossession(parts: IssuingParts, request: CertificationRequest): void {
  parts.onStep?.("verify-possession");
  parts.codec.verifyPossession(request);
}
