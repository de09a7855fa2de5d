import type { DenialCode } from "../../src/domain/errors.ts";
import { Timeline } from "./timeline.ts";

/** Of requests: so many an interval of milliseconds, and so many at once. */
export interface Rate {
  readonly count: number;
  readonly interval: number;
  readonly burst: number;
}

export interface AccountModel {
  readonly slug: string;
  readonly isSuspended: Timeline<boolean>;
  /** Whether calls from here are forbidden. */
  readonly isDenied: Timeline<boolean>;
  readonly scopes: Timeline<readonly string[]>;
  readonly rate: Timeline<Rate | undefined>;
}

export interface CredentialModel {
  readonly account: AccountModel;
  readonly status: Timeline<"active" | "suspended" | "revoked">;
  /** On the clock of `performance.now()`. */
  readonly endsAt: number;
}

export type Outcome = "ALLOWED" | DenialCode;

export const SCOPE = "orders:read";
/** By how much two processes' clocks may differ on one machine; milliseconds. */
const CLOCK = 20;

export function accountModel(slug: string): AccountModel {
  return {
    slug,
    isSuspended: new Timeline(false),
    isDenied: new Timeline(false),
    scopes: new Timeline<readonly string[]>([SCOPE]),
    rate: new Timeline<Rate | undefined>(undefined),
  };
}

/** Every answer that is right for a request that was sent and answered at these times. */
export function rightAnswers(credential: CredentialModel, sentAt: number, answeredAt: number): Set<Outcome> {
  const during = <Value>(timeline: Timeline<Value>): Value[] => timeline.possible(sentAt, answeredAt);
  const { account } = credential;
  const right = new Set<Outcome>();
  if (answeredAt >= credential.endsAt - CLOCK) right.add("CERT_EXPIRED");
  if (sentAt >= credential.endsAt + CLOCK) return right;
  for (const status of during(credential.status))
    for (const isSuspended of during(account.isSuspended))
      for (const isDenied of during(account.isDenied))
        for (const scopes of during(account.scopes))
          for (const rate of during(account.rate)) {
            const denial = denialOf(status, isSuspended, isDenied, scopes);
            right.add(denial ?? "ALLOWED");
            if (!denial && rate) right.add("RATE_LIMITED");
          }
  return right;
}

/** In the order of DESIGN §6, as far as anything of it changes here. */
function denialOf(
  status: "active" | "suspended" | "revoked",
  isSuspended: boolean,
  isDenied: boolean,
  scopes: readonly string[],
): DenialCode | undefined {
  if (status === "revoked") return "CERT_REVOKED";
  if (status === "suspended") return "CERT_SUSPENDED";
  if (isSuspended) return "ACCOUNT_SUSPENDED";
  if (isDenied) return "ADDRESS_NOT_ALLOWED";
  return scopes.includes(SCOPE) ? undefined : "SCOPE_MISSING";
}

/** Whether its connections may have been cut: only a revocation and the end do that. */
export function mayBeCut(credential: CredentialModel, sentAt: number, answeredAt: number): boolean {
  if (answeredAt >= credential.endsAt - CLOCK) return true;
  return credential.status.possible(sentAt, answeredAt).includes("revoked");
}

/** For how long what was written before a change may still arrive; milliseconds. */
const ON_ITS_WAY = 1000;

/** Whether an event stream may still bring something: a suspension cuts it too. */
export function mayStream(credential: CredentialModel, at: number): boolean {
  const since = at - ON_ITS_WAY;
  const during = <Value>(timeline: Timeline<Value>): Value[] => timeline.possible(since, at);
  return (
    since < credential.endsAt &&
    during(credential.status).includes("active") &&
    during(credential.account.isSuspended).includes(false)
  );
}

/** Whether an event stream may be cut that began then. */
export function mayBeCutAsStream(credential: CredentialModel, sentAt: number, at: number): boolean {
  return (
    mayBeCut(credential, sentAt, at) ||
    credential.status.possible(sentAt, at).includes("suspended") ||
    credential.account.isSuspended.possible(sentAt, at).includes(true)
  );
}
