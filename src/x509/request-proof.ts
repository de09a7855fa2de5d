import { Refusal } from "../domain/errors.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { algorithmNamed } from "./algorithms.ts";
import { isSignedBy } from "./signature.ts";

/**
 * Proves that whoever made a CSR holds its key: the signature is by that key, with an algorithm of that key's.
 *
 * @throws Refusal CSR_SIGNATURE_INVALID.
 */
export function verifyPossession({ proof, keyType, spki }: CertificationRequest): void {
  const algorithm = algorithmNamed(proof.algorithm);
  if (!algorithm || !keyType.startsWith(algorithm.family)) {
    throw new Refusal(
      "CSR_SIGNATURE_INVALID",
      "The CSR is signed with an algorithm that is not taken here. Sign with SHA-256, SHA-384 or SHA-512.",
    );
  }
  if (!isSignedBy(algorithm.digest, proof.info, spki, proof.signature))
    throw new Refusal("CSR_SIGNATURE_INVALID");
}
