import { Refusal } from "../../domain/errors.ts";
import type { Slug } from "../../domain/names.ts";
import type { Instant } from "../../domain/time.ts";
import { requireAccount } from "../accounts.ts";
import { type Answer, answer } from "./answer.ts";
import { applyProfile, requireProfile } from "./apply-profile.ts";
import { carryOut } from "./carry-out.ts";
import type { IssuingParts } from "./parts.ts";
import { readRequest } from "./read-request.ts";

/**
 * Signs a CSR for an account on an admin's word: the way in without a token.
 *
 * @throws Refusal NOT_FOUND, ACCOUNT_SUSPENDED, CSR_*, KEY_*, PROFILE_*, VALIDITY_INVALID, UNAVAILABLE.
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
): Promise<Answer> {
  const account = await requireAccount(parts.database, wanted.account);
  if (account.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
  const profile = requireProfile(parts.profiles(), wanted.profile);
  const request = readRequest(parts, wanted.csr);
  const { notAfter } = wanted;
  const order = applyProfile(parts, request, { account, profile, scopes: undefined, notAfter });
  const issued = await carryOut(parts, actor, order);
  if (!issued) throw new Error("nothing competes with an admin's signature");
  return answer(parts, issued);
}
