import { Refusal } from "../../domain/errors.ts";
import type { Slug } from "../../domain/names.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { requireAccount } from "../accounts.ts";
import { type IssuingParts, issue } from "./issue.ts";
import { clientOrder, requireProfile } from "./order.ts";

/**
 * Signs a CSR for an account on an admin's word: the way in without a token.
 *
 * @throws Refusal NOT_FOUND, ACCOUNT_SUSPENDED, CSR_*, KEY_*, PROFILE_UNKNOWN, VALIDITY_INVALID, UNAVAILABLE.
 */
export async function signRequest(
  parts: IssuingParts,
  actor: string,
  wanted: {
    readonly account: Slug;
    readonly csr: Uint8Array;
    readonly profile: string;
    readonly notAfter?: Instant | undefined;
  },
): Promise<CertificateRecord> {
  const account = await requireAccount(parts.database, wanted.account);
  if (account.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
  const profile = requireProfile(parts, wanted.profile);
  const request = parts.codec.readRequest(wanted.csr);
  const { notAfter } = wanted;
  const issued = await issue(
    parts,
    actor,
    clientOrder(parts, { account, profile, request, scopes: undefined, notAfter }),
  );
  if (!issued) throw new Error("nothing competes with an admin's signature");
  return issued;
}
