import type { CertificationRequest } from "../../domain/ports.ts";
import { checkKey } from "./check-key.ts";
import { parse } from "./parse.ts";
import type { IssuingParts } from "./parts.ts";
import { verifyPossession } from "./verify-possession.ts";

/** The steps from bytes to a key that is good, and held by whoever asks. Throws CSR_*, KEY_UNSUPPORTED, KEY_WEAK, KEY_IN_USE. */
export function readRequest(parts: IssuingParts, csr: Uint8Array): CertificationRequest {
  const request = parse(parts, csr);
  verifyPossession(parts, request);
  checkKey(parts, request);
  return request;
}
