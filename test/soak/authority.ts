import { readFileSync } from "node:fs";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseCidr } from "../../src/domain/address.ts";
import { type Fingerprint, parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseScope, parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword, systemClock } from "../../src/home/open.ts";
import { homePaths } from "../../src/home/paths.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { awaitFollowers } from "../../src/services/await-followers.ts";
import type { IssuingParts } from "../../src/services/issue/parts.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import type { Mutation } from "../../src/services/record-change.ts";
import { type TestCredential, freshRequest } from "../support/client.ts";
import { type AccountModel, type CredentialModel, SCOPE, accountModel } from "./model.ts";
import { Timeline } from "./timeline.ts";

/** For a server to apply a change: it is at full load. */
const PATIENCE = 30_000;

/** What an admin does, from a process that is not the service's. */
export class Authority {
  readonly database: Database;
  readonly mutation: Mutation = { clock: systemClock, actor: "soak" };
  readonly #parts: IssuingParts;
  readonly #ca: Buffer;

  private constructor(database: Database, parts: IssuingParts, ca: Buffer) {
    this.database = database;
    this.#parts = parts;
    this.#ca = ca;
  }

  static async open(home: string): Promise<Authority> {
    const config = resolveConfig(home, {}, {}, readConfigFile(home));
    const database = await openState(config);
    const issuers = await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
    const parts = issuingParts(config, database, issuers, "http://127.0.0.1:8080");
    return new Authority(database, parts, readFileSync(homePaths(home).rootCert));
  }

  async account(slug: string): Promise<AccountModel> {
    const wanted = { slug: parseSlug(slug), ...noRights, scopes: [parseScope(SCOPE)] };
    await createAccount(this.database, this.mutation, wanted);
    return accountModel(slug);
  }

  /** @param life milliseconds; without it, as the profile says */
  async issue(
    account: AccountModel,
    life?: number,
  ): Promise<{ readonly credential: TestCredential; readonly model: CredentialModel }> {
    const { key, csr } = await freshRequest();
    const notAfter = life === undefined ? undefined : Date.now() + life;
    const { record, chain } = await signRequest(this.#parts, this.mutation.actor, {
      ...{ account: parseSlug(account.slug), csr: Buffer.from(csr), profile: "client", notAfter },
    });
    const { fingerprint, serial } = record;
    const endsAt = record.notAfter - performance.timeOrigin;
    return {
      credential: { key, cert: chain, ca: this.#ca, fingerprint, serial },
      model: { account, status: new Timeline<"active" | "suspended" | "revoked">("active"), endsAt },
    };
  }

  /** Makes a change, and waits until the service has applied it. */
  async change<Value>(timeline: Timeline<Value>, value: Value, make: () => Promise<number>): Promise<void> {
    const settle = timeline.begin(value);
    const last = await make();
    const { late } = await awaitFollowers(this.database, systemClock, { last }, () => true, PATIENCE);
    if (late > 0) throw new Error("the service did not apply a change");
    settle();
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

export function nameOf(credential: TestCredential): { readonly fingerprint: Fingerprint } {
  return { fingerprint: parseFingerprint(credential.fingerprint) };
}

export const LOOPBACK = parseCidr("127.0.0.0/8");
