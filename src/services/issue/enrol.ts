import { Refusal } from "../../domain/errors.ts";
import { parseSlug } from "../../domain/names.ts";
import type { CertificationRequest, Stores } from "../../domain/ports.ts";
import type { CertificateRecord, TokenRecord } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { hashToken, parseToken } from "../../domain/token.ts";
import { type IssuingParts, issue } from "./issue.ts";
import { clientOrder, requireProfile } from "./order.ts";

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
 * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, CSR_*, KEY_*, PROFILE_UNKNOWN, VALIDITY_INVALID, UNAVAILABLE.
 */
export async function enrol(parts: IssuingParts, enrolment: Enrolment): Promise<CertificateRecord> {
  const { database, clock } = parts;

  // 1. Who asks?
  const token = await requireToken(database, enrolment.token, clock.now());
  const account = await database.accounts.byId(token.accountId);
  if (account?.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");

  // 2. What for? Only the key comes from the CSR.
  const profile = requireProfile(parts, tokenProfile(token, enrolment.profile));
  const request = parts.codec.readRequest(enrolment.csr);
  const order = clientOrder(parts, {
    account,
    profile,
    request,
    scopes: token.scopes,
    notAfter: enrolment.notAfter,
  });

  // 3. An answer that was lost is given again.
  const earlier = await earlierAnswer(database, token, request);
  if (earlier) return earlier;

  const issued = await issue(parts, `token:${token.id}`, order, {
    claim: (stores) => claim(stores, token.id, request, clock.now()),
    fulfil: (stores, fingerprint) => stores.tokens.fulfil(token.id, fingerprint),
  });
  return issued ?? requireEarlierAnswer(database, token.id, request);
}

async function requireToken(stores: Stores, text: string | undefined, now: Instant): Promise<TokenRecord> {
  if (text === undefined) throw new Refusal("TOKEN_REQUIRED");
  const token = await stores.tokens.byHash(hashToken(parseToken(text)));
  if (!token) throw new Refusal("TOKEN_UNKNOWN");
  requireUsable(token, now);
  return token;
}

function requireUsable(token: TokenRecord, now: Instant): void {
  if (token.revokedAt !== undefined) throw new Refusal("TOKEN_REVOKED");
  if (token.expiresAt <= now) throw new Refusal("TOKEN_EXPIRED");
}

function tokenProfile(token: TokenRecord, requested: string | undefined): string {
  if (requested !== undefined && requested !== token.profile) {
    throw new Refusal("PROFILE_UNKNOWN", "The enrolment token is not for that profile.");
  }
  return parseSlug(token.profile);
}

/** Binds the token to this CSR. Of two requests with different CSRs, one gets here first. */
async function claim(stores: Stores, id: string, request: CertificationRequest, now: Instant): Promise<void> {
  const token = await stores.tokens.byId(id);
  if (!token) throw new Refusal("TOKEN_UNKNOWN");
  requireUsable(token, now);
  if (token.csrHash === request.hash) return; // an attempt before this one did not get to its end
  if (!(await stores.tokens.use(id, request.hash, now))) throw new Refusal("TOKEN_USED");
}

async function earlierAnswer(
  stores: Stores,
  token: TokenRecord,
  request: CertificationRequest,
): Promise<CertificateRecord | undefined> {
  if (token.csrHash === undefined) return undefined;
  if (token.csrHash !== request.hash) throw new Refusal("TOKEN_USED");
  return token.fingerprint === undefined ? undefined : stores.certificates.byFingerprint(token.fingerprint);
}

async function requireEarlierAnswer(
  stores: Stores,
  id: string,
  request: CertificationRequest,
): Promise<CertificateRecord> {
  const token = await stores.tokens.byId(id);
  const earlier = token ? await earlierAnswer(stores, token, request) : undefined;
  if (!earlier) throw new Error("a fulfilled token has no certificate");
  return earlier;
}
