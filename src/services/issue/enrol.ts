import { Refusal } from "../../domain/errors.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import type { CertificateRecord, TokenRecord } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { type Answer, answer } from "./answer.ts";
import { applyProfile, requireProfile } from "./apply-profile.ts";
import type { TokenDesk } from "./authenticate.ts";
import { carryOut } from "./carry-out.ts";
import type { IssuingParts } from "./parts.ts";
import { readRequest } from "./read-request.ts";

export interface Enrolment {
  /** What the caller sent as its token. */
  readonly token: string | undefined;
  /** PEM or DER. */
  readonly csr: Uint8Array;
  readonly profile?: string | undefined;
  readonly notAfter?: Instant | undefined;
}

/**
 * Turns a token and a CSR into a credential. The same token with the same CSR gives the same certificate for as long as
 * the token lives, so a lost answer burns nothing; with another CSR it is used.
 *
 * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, CSR_*, KEY_*, PROFILE_*, VALIDITY_INVALID, UNAVAILABLE.
 */
export async function enrol(
  parts: IssuingParts & { readonly desk: TokenDesk },
  enrolment: Enrolment,
): Promise<Answer> {
  // Who asks, and what for? Nothing is read of a stranger's CSR.
  const { token, account } = await parts.desk.authenticate(enrolment.token);
  if (enrolment.profile !== undefined && enrolment.profile !== token.profile) {
    throw new Refusal("PROFILE_UNKNOWN", "The enrolment token is not for that profile.");
  }

  const request = readRequest(parts, enrolment.csr);
  const earlier = await earlierAnswer(parts, token, request);
  if (earlier) return answer(parts, earlier);

  const profile = requireProfile(parts.profiles(), token.profile);
  const { notAfter } = enrolment;
  const order = applyProfile(parts, request, { account, profile, scopes: token.scopes, notAfter });
  const paid = { id: token.id, csrHash: request.hash };
  const issued = await carryOut(parts, `token:${token.id}`, order, paid);
  return answer(parts, issued ?? (await winner(parts, token.id, request)));
}

/** An answer that was lost is given again. */
async function earlierAnswer(
  { database }: IssuingParts,
  { csrHash, fingerprint }: TokenRecord,
  request: CertificationRequest,
): Promise<CertificateRecord | undefined> {
  if (csrHash === undefined) return undefined;
  if (csrHash !== request.hash) throw new Refusal("TOKEN_USED");
  return fingerprint === undefined ? undefined : database.certificates.byFingerprint(fingerprint);
}

/** The certificate of the same request, sent twice at once, that was recorded first. */
async function winner(
  parts: IssuingParts,
  id: string,
  request: CertificationRequest,
): Promise<CertificateRecord> {
  const token = await parts.database.tokens.byId(id);
  const earlier = token ? await earlierAnswer(parts, token, request) : undefined;
  if (!earlier) throw new Error("a fulfilled token has no certificate");
  return earlier;
}
