import { verify } from "node:crypto";

/**
 * Whether data is signed with a key that somebody sent.
 *
 * @param digest `null` for a key that has its own
 * @param spki SubjectPublicKeyInfo, DER
 */
export function isSignedBy(
  digest: string | null,
  data: Uint8Array,
  spki: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verify(digest, data, { key: Buffer.from(spki), format: "der", type: "spki" }, signature);
  } catch {
    return false; // OpenSSL throws for some signatures that are none
  }
}
