import { requireStrongKey } from "../../domain/key-policy.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import type { IssuingParts } from "./parts.ts";

/**
 * Step: key policy, as far as the key alone tells. Whether it is blocked, or somebody else's, is asked with the intent,
 * in the transaction that would make it this account's.
 *
 * @throws Refusal KEY_WEAK.
 */
export function checkKey(parts: IssuingParts, request: CertificationRequest): void {
  parts.onStep?.("key-policy");
  requireStrongKey(request.key);
}
