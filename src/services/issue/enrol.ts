import { Refusal } from "../../domain/errors.ts";
import type { Instant } from "../../domain/time.ts";
import { requireAddress, requireOwnKey } from "../../domain/token-rules.ts";
import type { Answer } from "./answer.ts";
import type { TokenDesk } from "./authenticate.ts";
import { issueOnce } from "./issue-once.ts";
import type { IssuingParts } from "./parts.ts";
import { readRequest } from "./read-request.ts";

export interface Enrolment {
  /** What the caller sent as its token. */
  readonly token: string | undefined;
  /** PEM or DER. */
  readonly csr: Uint8Array;
  readonly profile?: string | undefined;
  readonly notAfter?: Instant | undefined;
  /** Where from, as Node writes a socket's. */
  readonly address?: string | undefined;
}

/**
 * Turns a token and a CSR into a credential. The same token with the same CSR gives the same certificate for as long as
 * the token lives, so a lost answer burns nothing; with another CSR it is used, or has a use less.
 *
 * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, CSR_*, KEY_*, PROFILE_*, VALIDITY_INVALID, UNAVAILABLE.
 */
export async function enrol(
  parts: IssuingParts & { readonly desk: TokenDesk },
  enrolment: Enrolment,
): Promise<Answer> {
  // Who asks, where from, and what for? Nothing is read of a stranger's CSR.
  const { token, account } = await parts.desk.authenticate(enrolment.token);
  const { notAfter, address } = enrolment;
  requireAddress(token.rules, address);
  if (enrolment.profile !== undefined && enrolment.profile !== token.profile) {
    throw new Refusal("PROFILE_UNKNOWN", "The enrolment token is not for that profile.");
  }

  const request = readRequest(parts, enrolment.csr);
  requireOwnKey(token.rules, request);
  return issueOnce(parts, { token, account, actor: `token:${token.id}`, notAfter, address }, request);
}
