import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint, IssuerId, SpkiHash } from "../../domain/identifiers.ts";
import type { IssuanceStanding, IssuanceWrites } from "../../domain/issuance.ts";
import type { TokenRecord } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";

type Token = IssuanceStanding["tokens"][number];
type Account = IssuanceStanding["accounts"][number];
type Predecessor = IssuanceStanding["predecessors"][number];
type Renewal = IssuanceStanding["renewals"][number];
type Key = Pick<IssuanceStanding["keys"][number], "accountId" | "blockedAt">;

/** How tokens, accounts and keys stand, with what the group's earlier entries do to them. */
export interface Standing {
  readonly tokens: Map<string, Token>;
  readonly accounts: ReadonlyMap<number, Account>;
  readonly keys: Map<SpkiHash, Key>;
  /** Those that sign. */
  readonly active: ReadonlySet<IssuerId>;
  /** Those that sign for their OCSP responders alone. */
  readonly retired: ReadonlySet<IssuerId>;
  readonly predecessors: ReadonlyMap<Fingerprint, Predecessor>;
  /** By predecessor. */
  readonly renewals: Map<Fingerprint, Renewal>;
  /** Tokens that the group takes, and keys that it sees for the first time: to be written. */
  readonly taken: IssuanceWrites["taken"][number][];
  readonly firstSeen: IssuanceWrites["firstSeen"][number][];
  readonly renewing: IssuanceWrites["renewing"][number][];
  readonly renewed: IssuanceWrites["renewed"][number][];
}

export function standingFrom(found: IssuanceStanding): Standing {
  const { tokens, accounts, keys, issuers, predecessors, renewals } = found;
  const inStatus = (wanted: (typeof issuers)[number]["status"]): ReadonlySet<IssuerId> =>
    new Set(issuers.filter(({ status }) => status === wanted).map(({ id }) => id));
  return {
    tokens: new Map(tokens.map((token) => [token.id, token])),
    accounts: new Map(accounts.map((account) => [account.id, account])),
    keys: new Map(keys.map((key) => [key.spkiHash, key])),
    active: inStatus("active"),
    retired: inStatus("retired"),
    predecessors: new Map(predecessors.map((one) => [one.fingerprint, one])),
    renewals: new Map(renewals.map((renewal) => [renewal.predecessor, renewal])),
    taken: [],
    firstSeen: [],
    renewing: [],
    renewed: [],
  };
}

/** UNAVAILABLE: what was to sign does not, or does not any more. */
export function nobodySigns(fault: string): Refusal {
  return new Refusal("UNAVAILABLE", "Nobody signs for this profile right now.", fault);
}

/** Throws TOKEN_UNKNOWN, TOKEN_REVOKED, TOKEN_EXPIRED. */
export function requireUsable<Some extends Pick<TokenRecord, "revokedAt" | "expiresAt">>(
  token: Some | undefined,
  now: Instant,
): Some {
  if (!token) throw new Refusal("TOKEN_UNKNOWN");
  if (token.revokedAt !== undefined) throw new Refusal("TOKEN_REVOKED");
  if (token.expiresAt <= now) throw new Refusal("TOKEN_EXPIRED");
  return token;
}

/** Throws KEY_BLOCKED. */
export function requireNotBlocked(standing: Standing, spkiHash: SpkiHash): void {
  if (standing.keys.get(spkiHash)?.blockedAt !== undefined) throw new Refusal("KEY_BLOCKED");
}

/** What belongs to no account is our own. Throws ACCOUNT_SUSPENDED. */
export function requireActive(standing: Standing, accountId: number | undefined): void {
  if (accountId === undefined || standing.accounts.get(accountId)?.status === "active") return;
  throw new Refusal("ACCOUNT_SUSPENDED");
}
