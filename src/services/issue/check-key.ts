import { Refusal } from "../../domain/errors.ts";
import { spkiHashOf } from "../../domain/identifiers.ts";
import { requireStrongKey } from "../../domain/key-policy.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import type { IssuingParts } from "./parts.ts";

/**
 * Step: key policy, as far as the key alone tells, and the configuration. Whether it is blocked, or somebody else's, is
 * asked with the intent, in the transaction that would make it this account's.
 *
 * @throws Refusal KEY_WEAK, KEY_IN_USE.
 */
export function checkKey(parts: IssuingParts, request: CertificationRequest): void {
  parts.onStep?.("key-policy");
  requireStrongKey(request.key);
  const { foreignKeys } = parts;
  if (foreignKeys && foreignKeys.size > 0 && foreignKeys.has(spkiHashOf(request.spki)))
    throw new Refusal("KEY_IN_USE");
}
