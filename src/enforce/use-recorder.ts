import type { Caller, Decision } from "../domain/decision.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { Instant } from "../domain/time.ts";
import type { CredentialUse } from "../domain/use.ts";
import type { AccountCount, AccountCounts } from "./account-counts.ts";
import type { Incoming } from "./transport.ts";
import { agentOf, plainAgent } from "./user-agent.ts";

/** As many credentials as a server is made for. Of more than these at once, while nothing can be written, none is begun. */
const MOST = 1_000_000;

/** How a request was counted: it may be decided on twice, by the listener and then with scopes. */
const COUNTED = Symbol("counted");
type Counted = Pick<Incoming, "rawHeaders"> & { [COUNTED]?: "allowed" | "denied" };

interface Entry {
  readonly account: Slug;
  readonly counts: AccountCount | undefined;
  lastAt: Instant;
  address: string | undefined;
  agent: string | undefined;
  requests: number;
  denials: number;
}

/**
 * Counts what credentials on record are used for, until somebody takes it to be written. On the way of every request: an
 * entry is changed in place, and nothing is made.
 */
export class UseRecorder {
  readonly #accounts: AccountCounts | undefined;
  #entries = new Map<Fingerprint, Entry>();

  /** @param accounts counted as well, when given */
  constructor(accounts?: AccountCounts) {
    this.#accounts = accounts;
  }

  /** Credentials that were used since they were last taken. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Counts a decision. A second one on the same request counts only where it denies what was let through.
   *
   * @param address of the caller
   */
  count(request: Counted, decision: Decision, now: Instant, address: string | undefined): void {
    if (decision.allowed) {
      const { fingerprint, account } = decision.caller;
      this.#allowed(request, fingerprint, account, now, address);
    } else if (decision.fingerprint !== undefined && decision.account !== undefined) {
      this.#denied(request, decision.fingerprint, decision.account, decision.code);
    }
  }

  /** Whether a call with it was let through that has not been taken yet. */
  hasUsed(fingerprint: Fingerprint): boolean {
    return (this.#entries.get(fingerprint)?.lastAt ?? 0) > 0;
  }

  /** Counts as denied what the decision let through, and has nowhere to go. */
  deniedLater(request: Incoming, { fingerprint, account }: Caller, code: ErrorCode): void {
    this.#denied(request, fingerprint, account, code);
  }

  /** What is to be written; it is counted from nothing then. */
  take(): CredentialUse[] {
    const taken = this.#entries;
    this.#entries = new Map();
    return Array.from(taken, ([fingerprint, { account, lastAt, address, agent, requests, denials }]) => ({
      ...{ fingerprint, account, address, requests, denials },
      lastAt: lastAt === 0 ? undefined : lastAt,
      agent: agent === undefined ? undefined : plainAgent(agent),
    }));
  }

  /** Takes back what could not be written, and adds it to what has come since. */
  giveBack(uses: readonly CredentialUse[]): void {
    for (const { fingerprint, account, lastAt = 0, address, agent, requests, denials } of uses) {
      const entry = this.#entry(fingerprint, account);
      if (!entry) continue;
      entry.requests += requests;
      entry.denials += denials;
      if (lastAt > entry.lastAt) Object.assign(entry, { lastAt, address, agent });
    }
  }

  #allowed(
    request: Counted,
    fingerprint: Fingerprint,
    account: Slug,
    now: Instant,
    address: string | undefined,
  ): void {
    if (request[COUNTED] !== undefined) return;
    request[COUNTED] = "allowed";
    const entry = this.#entry(fingerprint, account);
    if (!entry) return;
    entry.requests++;
    if (entry.counts) entry.counts.requests++;
    if (now < entry.lastAt) return; // the clock was set back
    entry.lastAt = now;
    entry.address = address;
    entry.agent = agentOf(request.rawHeaders);
  }

  #denied(request: Counted, fingerprint: Fingerprint, account: Slug, code: ErrorCode): void {
    const before = request[COUNTED];
    if (before === "denied") return;
    request[COUNTED] = "denied";
    const entry = this.#entry(fingerprint, account);
    if (!entry) return;
    const { counts } = entry;
    entry.denials++;
    counts?.denials.set(code, (counts.denials.get(code) ?? 0) + 1);
    if (before === "allowed") return;
    entry.requests++;
    if (counts) counts.requests++;
  }

  #entry(fingerprint: Fingerprint, account: Slug): Entry | undefined {
    return this.#entries.get(fingerprint) ?? this.#begin(fingerprint, account);
  }

  #begin(fingerprint: Fingerprint, account: Slug): Entry | undefined {
    if (this.#entries.size >= MOST) return undefined;
    const counts = this.#accounts?.of(account);
    const nothing = { lastAt: 0, address: undefined, agent: undefined, requests: 0, denials: 0 };
    const entry: Entry = { account, counts, ...nothing };
    this.#entries.set(fingerprint, entry);
    return entry;
  }
}
