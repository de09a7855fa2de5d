import {
  type Decision,
  type Denial,
  type PresentedCertificate,
  credentialAccount,
  credentialOf,
  decide,
} from "../../domain/decision.ts";
import { type DenialCode, Refusal } from "../../domain/errors.ts";
import type { Allowances } from "../../domain/allowances.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import type { CertificationRequest } from "../../domain/ports.ts";
import type { Account, CertificateRecord } from "../../domain/records.ts";
import { type RenewalRecord, hasRevokedItself, isRetired } from "../../domain/renewal.ts";
import type { Instant } from "../../domain/time.ts";
import type { Applied } from "../change-status.ts";
import { raiseCloneAlarm } from "../clone-alarm.ts";
import { lineOf } from "../renewal-line.ts";
import { type Answer, answer } from "./answer.ts";
import { applyProfile, requireProfile } from "./apply-profile.ts";
import { carryOut } from "./carry-out.ts";
import type { RenewalClaim } from "./claim-renewal.ts";
import type { IssuingParts } from "./parts.ts";
import { readRequest } from "./read-request.ts";

/** Of one line; one that renews when it is due has two or three. */
const MOST_ACTIVE = 10;
/** Of renewals that are asked for with one credential that is no good any more, of which no limit of an account's counts. */
export const ENDED_CALLERS = { rate: 1, burst: 10 } as const;

export interface RenewalRequest {
  /** On the request, by the certificate of its handshake. */
  readonly decision: Decision;
  /** Where it came from. */
  readonly address: string | undefined;
  /** Reads what it asks for, once it is known who asks. */
  readonly read: () => {
    /** PEM or DER. */
    readonly csr: Uint8Array;
    readonly notAfter?: Instant | undefined;
    /** The profile that it has to be of; `undefined` for any. */
    readonly profile?: string | undefined;
    /** Refuses a CSR that asks for other names; else they are ignored, as they are in an enrolment. */
    readonly requireSameNames?: boolean | undefined;
  };
}

export interface RenewalParts extends IssuingParts {
  /** What a certificate (DER) is by our own check: whether one of our own CAs that are in force has signed it. */
  readonly present: (der: Uint8Array) => PresentedCertificate;
  /** Resolves when this server has applied an alarm. */
  readonly applied: (changes: Applied) => Promise<void>;
  /** Within `ENDED_CALLERS`. */
  readonly endedCallers: Pick<Allowances<Fingerprint>, "take">;
}

/** Whoever asks, with all that is on record of it. */
interface Renewing {
  readonly predecessor: CertificateRecord;
  readonly account: Account;
  readonly renewal: RenewalRecord | undefined;
  /** Why it may not be renewed now, if it may not; what it was renewed to before, it may ask for all the same. */
  readonly refusal: Refusal | undefined;
  /** Until when it may be renewed. */
  readonly until: Instant;
}

/**
 * Renews the credential that a caller presents: its successor has the same account, profile, scopes and limits, and where
 * its CSR asks for no names, the same ones. Once:
 * the same CSR gets the same certificate again, also when the old one has ended meanwhile; another CSR is a second renewal,
 * which raises the clone alarm.
 *
 * @throws Refusal RENEWED_BEFORE, NOT_RENEWABLE, NAMES_CHANGED; what the decision says of the caller; CSR_*, KEY_*, PROFILE_*,
 * VALIDITY_INVALID, UNAVAILABLE; RATE_LIMITED when its line has as many credentials as it may, or an ended one asks too often.
 */
export async function renew(parts: RenewalParts, wanted: RenewalRequest): Promise<Answer> {
  // Who asks, and may it? Nothing is read of a stranger's CSR.
  const renewing = await whoRenews(parts, wanted);

  const { csr, notAfter, profile: asked, requireSameNames } = wanted.read();
  const request = readRequest(parts, csr);
  const earlier = await earlierAnswer(parts, renewing, request, wanted);
  if (earlier) return answer(parts, earlier);
  if (renewing.refusal) throw renewing.refusal;

  const { predecessor, account } = renewing;
  if (asked !== undefined && asked !== predecessor.profile) {
    throw new Refusal("PROFILE_UNKNOWN", "The certificate is not of that profile.");
  }
  if (requireSameNames && !parts.codec.keepsNames(request, predecessor.der))
    throw new Refusal("NAMES_CHANGED");
  const profile = requireProfile(parts.profiles(), predecessor.profile);
  const { scopes, limits, fingerprint } = predecessor;
  const { der } = predecessor;
  const order = applyProfile(parts, request, {
    ...{ account, profile, scopes, limits, notAfter },
    predecessor: { der, requireSameNames: requireSameNames === true },
  });
  const line = await lineOf(parts.database, fingerprint);
  await requireFewOf(parts, line);
  const claim: RenewalClaim = {
    ...{ predecessor: fingerprint, csrHash: request.hash, line },
    ...{ until: renewing.until, notAfter: predecessor.notAfter, overlap: profile.renewal.overlap },
  };
  const issued = await carryOut(parts, `credential:${fingerprint}`, order, undefined, claim).catch(
    async (error: unknown) => {
      if (error instanceof Refusal && error.code === "RENEWED_BEFORE")
        await alarm(parts, predecessor, wanted.address);
      throw error;
    },
  );
  return answer(parts, issued ?? (await winner(parts, renewing, request, wanted)));
}

async function whoRenews(parts: RenewalParts, { decision, address }: RenewalRequest): Promise<Renewing> {
  const { database, clock } = parts;
  const refusal = decision.allowed ? undefined : refusalOf(decision);
  const fingerprint = decision.allowed ? decision.caller.fingerprint : decision.fingerprint;
  // What is of no account on record is nobody's to renew.
  const isKnown = decision.allowed || (decision.account !== undefined && mayBeMore(decision));
  if (!decision.allowed && fingerprint !== undefined && isKnown && !parts.endedCallers.take(fingerprint))
    throw new Refusal("RATE_LIMITED");
  const predecessor =
    fingerprint !== undefined && isKnown ? await database.certificates.byFingerprint(fingerprint) : undefined;
  const account =
    predecessor?.accountId === undefined ? undefined : await database.accounts.byId(predecessor.accountId);
  if (!predecessor || !account) throw refusal ?? new Refusal("NOT_RENEWABLE");
  if (!parts.issuers.certificate(predecessor.issuerId)) throw new Refusal("NOT_RENEWABLE");
  const [renewal] = await database.renewals.byPredecessors([predecessor.fingerprint]);
  const { notAfter } = predecessor;
  if (decision.allowed) return { predecessor, account, renewal, refusal, until: notAfter };
  if (decision.code === "CERT_UNTRUSTED") throw refusalOf(decision);

  requireNothingElse(parts, { predecessor, account, renewal, address });
  const until = notAfter + (parts.profiles().get(predecessor.profile)?.renewal.afterExpiry ?? 0);
  const isNew = renewal?.successor === undefined;
  const mayStill = isNew && decision.code === "CERT_EXPIRED" && clock.now() < until;
  if (!mayStill && !renewal) throw refusalOf(decision);
  return { predecessor, account, renewal, refusal: mayStill ? undefined : refusal, until };
}

function refusalOf({ code, fingerprint }: Denial): Refusal {
  return new Refusal(code, undefined, fingerprint && `presented ${fingerprint}`);
}

/** Denials that leave something to be looked up: the renewal of what has ended, or that it was never ours. */
function mayBeMore({ code }: Denial): boolean {
  return code === "CERT_EXPIRED" || code === "CERT_REVOKED" || code === "CERT_UNTRUSTED";
}

/**
 * Of a certificate that has ended, the decision says no more than that: everything else is asked as it was while it was good.
 * That it led to our root is our own check, for OpenSSL tells one fault alone.
 *
 * @throws Refusal what the decision would have said
 */
function requireNothingElse(
  parts: RenewalParts,
  {
    predecessor,
    account,
    renewal,
    address,
  }: Pick<Renewing, "predecessor" | "account" | "renewal"> & Pick<RenewalRequest, "address">,
): void {
  const isOver =
    isRetired(predecessor) || (renewal?.successor !== undefined && hasRevokedItself(predecessor));
  const record = isOver ? { ...predecessor, status: "active" as const } : predecessor;
  const decision = decide({
    presented: parts.present(predecessor.der),
    credential: credentialOf(record, { current: credentialAccount(account) }),
    now: predecessor.notBefore,
    address: address ?? "",
    ...{ requiredScopes: [], gate: undefined, current: true, directed: true },
  });
  if (!decision.allowed) throw refusalOf(decision);
}

/** An answer that was lost is given again. Throws RENEWED_BEFORE for any other CSR, after the alarm. */
async function earlierAnswer(
  parts: RenewalParts,
  { predecessor, renewal, refusal }: Renewing,
  request: CertificationRequest,
  { address }: RenewalRequest,
): Promise<CertificateRecord | undefined> {
  if (!renewal) return undefined;
  if (renewal.csrHash !== request.hash) {
    await alarm(parts, predecessor, address);
    throw new Refusal("RENEWED_BEFORE");
  }
  if (renewal.successor === undefined) return undefined; // an attempt before this one did not get to its end
  if (refusal && hasRevokedItself(predecessor)) throw refusal; // it was looked at for the alarm alone
  const successor = await parts.database.certificates.byFingerprint(renewal.successor);
  if (!successor) throw new Error("a fulfilled renewal has no certificate");
  // An answer is of use only if there is something to go on with.
  const fault = faultOf(successor, parts.clock.now());
  if (fault) throw refusal ?? new Refusal(fault);
  return successor;
}

/** Why a certificate is no good, if it is not. */
function faultOf({ status, notAfter }: CertificateRecord, now: Instant): DenialCode | undefined {
  if (status === "revoked") return "CERT_REVOKED";
  if (status === "suspended") return "CERT_SUSPENDED";
  return notAfter > now ? undefined : "CERT_EXPIRED";
}

/** The certificate of the same request, sent twice at once, that was recorded first. */
async function winner(
  parts: RenewalParts,
  renewing: Renewing,
  request: CertificationRequest,
  wanted: RenewalRequest,
): Promise<CertificateRecord> {
  const { fingerprint } = renewing.predecessor;
  const [renewal] = await parts.database.renewals.byPredecessors([fingerprint]);
  const earlier = await earlierAnswer(parts, { ...renewing, renewal }, request, wanted);
  if (!earlier) throw new Error("a fulfilled renewal has no certificate");
  return earlier;
}

async function alarm(
  parts: RenewalParts,
  predecessor: CertificateRecord,
  address: string | undefined,
): Promise<void> {
  const { fingerprint, account } = predecessor;
  const line = await lineOf(parts.database, fingerprint);
  const applied = await raiseCloneAlarm(parts, {
    cause: "renewed-twice",
    fingerprint,
    line,
    account,
    address,
  });
  if (applied) await parts.applied(applied);
}

/** Whoever renews without pause fills the record, and leaves an admin as many to revoke. Throws RATE_LIMITED. */
async function requireFewOf(
  { database, clock }: Pick<RenewalParts, "database" | "clock">,
  line: RenewalRecord["line"],
): Promise<void> {
  if ((await database.renewals.activeOfLine(line, clock.now())).length < MOST_ACTIVE) return;
  throw new Refusal(
    "RATE_LIMITED",
    `${String(MOST_ACTIVE)} certificates that came of one enrolment are active already. Renew again when some have ended or been retired.`,
    `line ${line}`,
  );
}
