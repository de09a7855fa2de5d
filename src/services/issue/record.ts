import type { CertificateRecord } from "../../domain/records.ts";
import { type Standing, requireNotBlocked } from "./standing.ts";

/** A certificate that is to be on record before it is given out. */
export interface RecordEntry {
  readonly kind: "record";
  readonly certificate: CertificateRecord;
  readonly actor: string;
  readonly tokenId: string | undefined;
}

/**
 * Step: record. A key that was blocked since the intent gets nothing, and a token's second certificate is dropped.
 *
 * @returns false when another request with the same token and CSR has recorded its certificate first.
 * @throws Refusal KEY_BLOCKED.
 */
export function admitRecord({ certificate, tokenId }: RecordEntry, standing: Standing): boolean {
  requireNotBlocked(standing, certificate.spkiHash);
  if (tokenId === undefined) return true;
  const token = standing.tokens.get(tokenId);
  if (!token) throw new Error("a token vanished");
  if (token.fingerprint !== undefined) return false;
  standing.tokens.set(tokenId, { ...token, fingerprint: certificate.fingerprint });
  return true;
}
