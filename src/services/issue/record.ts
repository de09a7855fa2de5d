import { Refusal } from "../../domain/errors.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { type RenewalClaim, concludeRenewal } from "./claim-renewal.ts";
import { type Standing, requireActive, requireNotBlocked } from "./standing.ts";

/** A certificate that is to be on record before it is given out. */
export interface RecordEntry {
  readonly kind: "record";
  readonly certificate: CertificateRecord;
  readonly actor: string;
  readonly tokenId: string | undefined;
  readonly renewal?: RenewalClaim | undefined;
}

/**
 * Step: record. A key that was blocked since the intent gets nothing, nor does an account that was suspended: whoever then
 * revokes all that it has, has all. Nor does a token that was revoked, as that of a request that was denied is. A token's second certificate is dropped.
 *
 * @returns false when another request with the same token, or of the same renewal, and CSR has recorded its certificate first.
 * @throws Refusal ACCOUNT_SUSPENDED, KEY_BLOCKED, TOKEN_REVOKED; of a renewal what `concludeRenewal` does.
 */
export function admitRecord(entry: RecordEntry, standing: Standing, now: Instant): boolean {
  const { certificate, tokenId, renewal } = entry;
  requireActive(standing, certificate.accountId);
  requireNotBlocked(standing, certificate.spkiHash);
  if (renewal) return concludeRenewal(renewal, certificate, standing, now);
  if (tokenId === undefined) return true;
  const token = standing.tokens.get(tokenId);
  if (!token) throw new Error("a token vanished");
  if (token.revokedAt !== undefined) throw new Refusal("TOKEN_REVOKED");
  if (token.fingerprint !== undefined) return false;
  standing.tokens.set(tokenId, { ...token, fingerprint: certificate.fingerprint });
  return true;
}
