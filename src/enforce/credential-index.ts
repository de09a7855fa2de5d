import {
  type Credential,
  type CredentialAccount,
  credentialAccount,
  credentialOf,
} from "../domain/decision.ts";
import { type Fingerprint, type IssuerId, type Serial, parseFingerprint } from "../domain/identifiers.ts";
import { parseSlug } from "../domain/names.ts";
import type { Stores } from "../domain/ports.ts";
import type { Account, Change, CredentialRecord } from "../domain/records.ts";
import { HOUR, type Instant } from "../domain/time.ts";
import { CredentialTable } from "./credential-table.ts";

/** What another CA's CRL says of its serials. */
export type ListedSerials = ReadonlyMap<Serial, "revoked" | "suspended">;

/** Replaced as a whole when the account changes; every credential of it shares the cell. */
interface AccountCell {
  current: CredentialAccount;
}

/** Every live credential, in memory: what the decision asks instead of the database. */
export class CredentialIndex {
  readonly #stores: Stores;
  #credentials = new CredentialTable();
  #accounts = new Map<number, AccountCell>();
  /** Of other CAs. It denies only: what our own records say of a certificate stays. */
  readonly #listed = new Map<IssuerId, ListedSerials>();
  #version = 0;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  get size(): number {
    return this.#credentials.size;
  }

  /** Another whenever `get` may give for a fingerprint what it did not give before. */
  get version(): number {
    return this.#version;
  }

  /** Loads what is live at `now`. Follow the changes from a sequence number read before this. */
  async load(now: Instant): Promise<void> {
    for (const account of await this.#stores.accounts.list()) this.#putAccount(account);
    for await (const page of this.#stores.certificates.live(now))
      for (const record of page) this.#put(record);
  }

  /**
   * Loads it anew from a database that went back. What is revoked stays so; what is on record no more is not in memory
   * either. Returns those that the database has as not revoked.
   */
  async loadAnew(now: Instant): Promise<Fingerprint[]> {
    const loaded = new CredentialIndex(this.#stores);
    await loaded.load(now);
    const kept: Fingerprint[] = [];
    for await (const fingerprint of this.#credentials.revoked()) {
      const record = loaded.#credentials.get(fingerprint);
      if (!record || record.status === "revoked") continue;
      loaded.#credentials.set({ ...record, status: "revoked" });
      kept.push(fingerprint);
    }
    this.#credentials = loaded.#credentials;
    this.#accounts = loaded.#accounts;
    this.#version += 1;
    return kept;
  }

  /** As it stands now; its account also as it stands later. */
  get(fingerprint: Fingerprint): Credential | undefined {
    const record = this.#credentials.get(fingerprint);
    const cell = record && this.#accounts.get(record.accountId);
    return cell && credentialOf(this.#listed.size > 0 ? this.#asListed(record) : record, cell);
  }

  /** In place of what was listed of that CA before. */
  setListed(issuer: IssuerId, serials: ListedSerials): void {
    this.#listed.set(issuer, serials);
    this.#version += 1;
  }

  /** Asks the store for one that is not in memory, and keeps it. What a change has put there meanwhile is newer. */
  async fetch(fingerprint: Fingerprint): Promise<Credential | undefined> {
    const credentials = this.#credentials;
    const [record] = await this.#stores.certificates.credentials([fingerprint]);
    if (record?.accountId === undefined) return undefined;
    if (!this.#accounts.has(record.accountId)) {
      const account = await this.#stores.accounts.byId(record.accountId);
      if (account && !this.#accounts.has(account.id)) this.#putAccount(account);
    }
    if (credentials !== this.#credentials) return this.fetch(fingerprint); // it may be on record no more
    if (!this.#credentials.has(fingerprint)) this.#put(record);
    return this.get(fingerprint);
  }

  /** Reads again whatever the changes are about, so that applying them twice does no harm. */
  async apply(changes: readonly Change[]): Promise<void> {
    const subjects = (prefix: string): string[] => [
      ...new Set(changes.filter(({ action }) => action.startsWith(prefix)).map(({ subject }) => subject)),
    ];
    await this.#reloadAccounts(subjects("account."));
    // An intent's subject is a serial number: there is no certificate yet.
    const fingerprints = subjects("certificate.").filter((subject) => subject.length === 64);
    const records = await this.#stores.certificates.credentials(fingerprints.map(parseFingerprint));
    for (const record of records) this.#put(record);
  }

  /** Denies what is known to be revoked at once; the rest comes with the change. */
  revoke(fingerprint: Fingerprint): void {
    const record = this.#credentials.get(fingerprint);
    if (!record || record.status === "revoked") return;
    this.#credentials.set({ ...record, status: "revoked" });
    this.#version += 1;
  }

  /** Forgets what ended more than an hour ago: should it be presented again, the store still knows it. */
  async prune(now: Instant): Promise<void> {
    await this.#credentials.prune(now - HOUR);
    this.#version += 1;
  }

  #asListed(record: CredentialRecord): CredentialRecord {
    const status = this.#listed.get(record.issuerId)?.get(record.serial);
    return status === undefined || record.status === "revoked" ? record : { ...record, status };
  }

  async #reloadAccounts(slugs: readonly string[]): Promise<void> {
    for (const slug of slugs) {
      const account = await this.#stores.accounts.bySlug(parseSlug(slug));
      if (account) this.#putAccount(account);
    }
  }

  #putAccount(account: Account): void {
    const current = credentialAccount(account);
    const cell = this.#accounts.get(account.id);
    if (cell) cell.current = current;
    else this.#accounts.set(account.id, { current });
  }

  /** Revoked is final, whatever becomes of the database. */
  #put(record: CredentialRecord): void {
    const { accountId } = record;
    if (accountId === undefined || !this.#accounts.has(accountId)) return;
    const isRevoked = this.#credentials.get(record.fingerprint)?.status === "revoked";
    const status = isRevoked ? "revoked" : record.status;
    this.#credentials.set({ ...record, accountId, status });
    this.#version += 1;
  }
}
