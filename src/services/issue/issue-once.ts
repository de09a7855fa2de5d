import { Refusal } from "../../domain/errors.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import { type Account, type CertificateRecord, type TokenRecord, isForFleet } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { type Answer, answer } from "./answer.ts";
import { applyProfile, requireProfile } from "./apply-profile.ts";
import { carryOut } from "./carry-out.ts";
import type { IssuingParts } from "./parts.ts";
import { takeUse, usedUp, useTaken } from "./take-use.ts";

/** What pays for a certificate, and who asks. */
export interface Paid {
  /** Usable, as far as was known when it was looked at. */
  readonly token: TokenRecord;
  readonly account: Account;
  readonly actor: string;
  readonly notAfter?: Instant | undefined;
  /** Where from. */
  readonly address?: string | undefined;
}

/**
 * Issues what a token pays for, once: the same token and CSR give the same certificate again.
 *
 * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, KEY_*, PROFILE_*, VALIDITY_INVALID, UNAVAILABLE.
 */
export async function issueOnce(
  parts: IssuingParts,
  { token, account, actor, notAfter, address }: Paid,
  request: CertificationRequest,
): Promise<Answer> {
  const own = isForFleet(token) ? await useTaken(parts, token, request) : token;
  const earlier = own && (await earlierAnswer(parts, own, request));
  if (earlier) return answer(parts, earlier);
  if (!own && token.usesTaken >= token.uses) throw usedUp();

  const profile = requireProfile(parts.profiles(), token.profile);
  const order = applyProfile(parts, request, { account, profile, scopes: token.scopes, notAfter });
  const id = own?.id ?? (await takeUse(parts, token, request, address));
  const issued = await carryOut(parts, actor, order, { id, csrHash: request.hash, address });
  return answer(parts, issued ?? (await winner(parts, id, request)));
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
