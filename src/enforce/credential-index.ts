import {
  type Credential,
  type CredentialAccount,
  credentialAccount,
  credentialOf,
} from "../domain/decision.ts";
import { type Fingerprint, parseFingerprint } from "../domain/identifiers.ts";
import { parseSlug } from "../domain/names.ts";
import type { Stores } from "../domain/ports.ts";
import type { Account, Change, CredentialRecord } from "../domain/records.ts";
import { HOUR, type Instant } from "../domain/time.ts";
import { CredentialTable } from "./credential-table.ts";

/** Replaced as a whole when the account changes; every credential of it shares the cell. */
interface AccountCell {
  current: CredentialAccount;
}

/** Every live credential, in memory: what the decision asks instead of the database. */
export class CredentialIndex {
  readonly #stores: Stores;
  readonly #credentials = new CredentialTable();
  readonly #accounts = new Map<number, AccountCell>();

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  get size(): number {
    return this.#credentials.size;
  }

  /** Loads what is live at `now`. Follow the changes from a sequence number read before this. */
  async load(now: Instant): Promise<void> {
    for (const account of await this.#stores.accounts.list()) this.#putAccount(account);
    for await (const page of this.#stores.certificates.live(now))
      for (const record of page) this.#put(record);
  }

  /** As it stands now; its account also as it stands later. */
  get(fingerprint: Fingerprint): Credential | undefined {
    const record = this.#credentials.get(fingerprint);
    const cell = record && this.#accounts.get(record.accountId);
    return cell && credentialOf(record, cell);
  }

  /** Asks the store for one that is not in memory, and keeps it. What a change has put there meanwhile is newer. */
  async fetch(fingerprint: Fingerprint): Promise<Credential | undefined> {
    const [record] = await this.#stores.certificates.credentials([fingerprint]);
    if (record?.accountId === undefined) return undefined;
    if (!this.#accounts.has(record.accountId)) {
      const account = await this.#stores.accounts.byId(record.accountId);
      if (account && !this.#accounts.has(account.id)) this.#putAccount(account);
    }
    if (!this.#credentials.has(fingerprint)) this.#put(record);
    return this.get(fingerprint);
  }

  /** Reads again whatever the changes are about, so that applying them twice does no harm. */
  async apply(changes: readonly Change[]): Promise<void> {
    const subjects = (prefix: string): string[] => [
      ...new Set(changes.filter(({ action }) => action.startsWith(prefix)).map(({ subject }) => subject)),
    ];
    await this.#reloadAccounts(subjects("account."));
    const fingerprints = subjects("certificate.").filter((subject) => subject.length === 64);
    const records = await this.#stores.certificates.credentials(fingerprints.map(parseFingerprint));
    for (const record of records) this.#put(record);
  }

  /** Forgets what ended more than an hour ago: should it be presented again, the store still knows it. */
  async prune(now: Instant): Promise<void> {
    await this.#credentials.prune(now - HOUR);
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

  #put(record: CredentialRecord): void {
    const { accountId } = record;
    if (accountId !== undefined && this.#accounts.has(accountId))
      this.#credentials.set({ ...record, accountId });
  }
}
