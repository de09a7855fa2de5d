import type { Slug } from "../../../src/domain/names.ts";
import type { CertificateRecord, CertificateStatus } from "../../../src/domain/records.ts";
import { HOLD, type RevocationReason, revocationReasons } from "../../../src/domain/revocation.ts";
import { HOUR, type Instant, wholeSeconds } from "../../../src/domain/time.ts";

/** What is true of a certificate: what the four accounts of it are compared with. */
export interface Told {
  readonly record: CertificateRecord;
  readonly account: number;
  readonly key: number;
  status: CertificateStatus;
  at: Instant | undefined;
  reason: RevocationReason | undefined;
}

/** What a list or an answer says of one that is not good. `reason` as RFC 5280 numbers it, without a 0. */
export interface Line {
  readonly at: Instant;
  readonly reason: number | undefined;
}

export type Aim =
  | { readonly status: "active" | "suspended" }
  | { readonly status: "revoked"; readonly reason: RevocationReason };

/** The rules once more, as simply as can be. What a method returns is what the service has to say. */
export class Model {
  readonly certificates: Told[] = [];
  /** The OCSP responders' certificates that were revoked: of no account, and with a key that nobody else has. */
  readonly responders: Told[] = [];
  readonly accounts: { readonly slug: Slug; suspendedAt: Instant | undefined }[];
  readonly keys: { owner: number | undefined; blocked: boolean }[];
  readonly crls = new CrlSchedule();

  constructor(accounts: readonly Slug[], keys: number) {
    this.accounts = accounts.map((slug) => ({ slug, suspendedAt: undefined }));
    this.keys = Array.from({ length: keys }, () => ({ owner: undefined, blocked: false }));
  }

  /** Why a certificate can't be issued, if it can't. */
  refusalToIssue(account: number, key: number): string {
    const { owner, blocked } = this.#key(key);
    if (this.accounts[account]?.suspendedAt !== undefined) return "ACCOUNT_SUSPENDED";
    if (blocked) return "KEY_BLOCKED";
    return owner !== undefined && owner !== account ? "KEY_IN_USE" : "DONE";
  }

  issued(record: CertificateRecord, account: number, key: number): void {
    this.#key(key).owner = account;
    this.certificates.push({ record, account, key, status: "active", at: undefined, reason: undefined });
  }

  responderRevoked(record: CertificateRecord, reason: RevocationReason, now: Instant): void {
    const nobody = { account: -1, key: -1 };
    this.responders.push({ record, ...nobody, status: "revoked", at: now, reason });
    this.crls.isBehind = true;
  }

  change(one: Told, aim: Aim, now: Instant): string {
    if (one.status === "revoked") return "ALREADY_REVOKED";
    if (one.status === aim.status) return "STATE_UNCHANGED";
    this.#set(one, aim, now);
    if (aim.status === "revoked" && aim.reason === "keyCompromise") this.#endKey(one.key, now);
    return "DONE";
  }

  changeAccount(account: number, to: "active" | "suspended", now: Instant): string {
    const found = this.accounts[account];
    if (!found) throw new Error("no such account");
    if ((found.suspendedAt === undefined) === (to === "active")) return "STATE_UNCHANGED";
    found.suspendedAt = to === "active" ? undefined : now;
    this.crls.isBehind = true;
    return "DONE";
  }

  /** Those that have not ended. @returns how many that changes, with those that end along. */
  changeAll(which: { readonly account: number } | { readonly key: number }, aim: Aim, now: Instant): number {
    const before = this.certificates.map(({ status }) => status);
    for (const one of this.certificates) {
      const isMeant = "account" in which ? one.account === which.account : one.key === which.key;
      if (isMeant && one.record.notAfter > now) this.change(one, aim, now);
    }
    return this.certificates.filter(({ status }, index) => status !== before[index]).length;
  }

  blockKey(key: number, now: Instant): string {
    const wasBlocked = this.#key(key).blocked;
    const ended = this.#endKey(key, now);
    return wasBlocked && ended === 0 ? "STATE_UNCHANGED" : "DONE";
  }

  /** What is said of a certificate that is not good: its own state first, then its account's. */
  line({ status, at, reason, account }: Told): Line | undefined {
    const { suspendedAt } = this.accounts[account] ?? {};
    if (status === "revoked") {
      return { at: wholeSeconds(at ?? 0), reason: revocationReasons[reason ?? "unspecified"] || undefined };
    }
    const since = status === "suspended" ? at : suspendedAt;
    return since === undefined ? undefined : { at: wholeSeconds(since), reason: HOLD };
  }

  /** Why a call is denied, if it is. */
  denial(one: Told, now: Instant): string | undefined {
    if (now >= one.record.notAfter) return "CERT_EXPIRED";
    if (one.status === "revoked") return "CERT_REVOKED";
    if (one.status === "suspended") return "CERT_SUSPENDED";
    return this.accounts[one.account]?.suspendedAt === undefined ? undefined : "ACCOUNT_SUSPENDED";
  }

  #set(one: Told, aim: Aim, now: Instant): void {
    one.status = aim.status;
    one.at = aim.status === "active" ? undefined : now;
    one.reason = aim.status === "revoked" ? aim.reason : undefined;
    this.crls.isBehind = true;
  }

  #endKey(key: number, now: Instant): number {
    this.#key(key).blocked = true;
    const live = this.certificates.filter(
      (one) => one.key === key && one.status !== "revoked" && one.record.notAfter > now,
    );
    for (const one of live) this.#set(one, { status: "revoked", reason: "keyCompromise" }, now);
    return live.length;
  }

  #key(key: number): Model["keys"][number] {
    const found = this.keys[key];
    if (!found) throw new Error("no such key");
    return found;
  }
}

interface Scheduled {
  readonly number: number;
  readonly at: Instant;
  readonly floor: Instant;
}

/** When CRLs are made, and what has left them. */
export class CrlSchedule {
  number = 0;
  /** Something has changed since the last one. */
  isBehind = false;
  scheduled: Scheduled | undefined;
  base: Scheduled | undefined;

  /** Whether a server that looks at `now` makes one. */
  isDue(now: Instant): boolean {
    return this.isBehind || this.#isOld(now);
  }

  /** One is made at `now`. */
  made(now: Instant): void {
    this.number += 1;
    this.isBehind = false;
    if (this.#isOld(now)) {
      // What had expired before the scheduled one before this was on one more of those than its life asks for (§3.3).
      const next = { number: this.number, at: wholeSeconds(now), floor: this.scheduled?.at ?? 0 };
      this.base = this.scheduled ?? next;
      this.scheduled = next;
    }
  }

  #isOld(now: Instant): boolean {
    return this.scheduled === undefined || now >= this.scheduled.at + 12 * HOUR;
  }
}
