import type { CertificateRecord } from "../../domain/records.ts";
import { type Standing, requireActive, requireNotBlocked } from "./standing.ts";

/** A certificate that is to be on record before it is given out. */
export interface RecordEntry {
  readonly kind: "record";
  readonly certificate: CertificateRecord;
  readonly actor: string;
  readonly tokenId: string | undefined;
}

/**
 * Step: record. A key that was blocked since the intent gets nothing, nor does an account that was suspended: whoever then
 * revokes all that it has, has all. A token's second certificate is dropped.
 *
 * @returns false when another request with the same token and CSR has recorded its certificate first.
 * @throws Refusal ACCOUNT_SUSPENDED, KEY_BLOCKED.
 */
export function admitRecord({ certificate, tokenId }: RecordEntry, standing: Standing): boolean {
  requireActive(standing, certificate.accountId);
  requireNotBlocked(standing, certificate.spkiHash);
  if (tokenId === undefined) return true;
  const token = standing.tokens.get(tokenId);
  if (!token) throw new Error("a token vanished");
  if (token.fingerprint !== undefined) return false;
  standing.tokens.set(tokenId, { ...token, fingerprint: certificate.fingerprint });
  return true;
}
