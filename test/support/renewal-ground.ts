import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword, systemClock } from "../../src/home/open.ts";
import { type RunningServer, startServer } from "../../src/main.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { retireDue } from "../../src/services/retirement.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { type TestAnswer, type TestCredential, type TestRequest, call, freshRequest } from "./client.ts";
import { freshHome } from "./fresh-home.ts";
import { credentialOfHome } from "./own-issuer.ts";
import { type Workspace, makeWorkspace } from "./workspace.ts";

const mutation = { clock: systemClock, actor: "test" };

/**
 * All of `serve` in the test's process, whose time can be set, with clients that renew over the wire and an admin's hand on its
 * records. The account `acme`; the profiles `client`, and `late`, of which what has ended may be renewed for a day.
 */
export class RenewalGround {
  readonly home: string;
  readonly server: RunningServer;
  readonly database: Database;
  /** What the server logged at level error. */
  readonly errors: readonly Record<string, unknown>[];
  readonly #workspace: Workspace;

  private constructor(
    workspace: Workspace,
    opened: Pick<RenewalGround, "home" | "server" | "database" | "errors">,
  ) {
    this.#workspace = workspace;
    this.home = opened.home;
    this.server = opened.server;
    this.database = opened.database;
    this.errors = opened.errors;
  }

  static async open(): Promise<RenewalGround> {
    const workspace = await makeWorkspace();
    const home = workspace.file("home");
    await freshHome(home);
    const profile = JSON.parse(readFileSync(join(home, "profiles", "client.json"), "utf8")) as object;
    const late = { ...profile, renewal: { afterExpiry: "1d" } };
    writeFileSync(join(home, "profiles", "late.json"), JSON.stringify(late));
    const anywhere = "127.0.0.1:0";
    const flags = { listen: { ca: anywhere, enforce: anywhere, public: anywhere, metrics: anywhere } };
    const config = resolveConfig(home, flags, {}, readConfigFile(home));
    const errors: Record<string, unknown>[] = [];
    const ignore = (): void => undefined;
    const error = (fields: object, message: string): number => errors.push({ ...fields, message });
    const logger = { info: ignore, warn: ignore, error };
    const server = await startServer(config, readPassword(home, undefined, {}), logger);
    const database = await openState(config);
    await createAccount(database, mutation, { slug: parseSlug("acme"), ...noRights });
    return new RenewalGround(workspace, { home, server, database, errors });
  }

  /** A credential that begins a line. @param skew of the clock that it was issued by, in milliseconds */
  async credential(profile = "client", skew = 0): Promise<TestCredential> {
    const config = resolveConfig(this.home, {}, {}, readConfigFile(this.home));
    const issuers = await HomeIssuers.open(this.database, this.home, readPassword(this.home, undefined, {}));
    const clock = { now: () => Date.now() + skew };
    const parts = issuingParts(config, this.database, issuers, "http://127.0.0.1:8080", clock);
    const { key, csr } = await freshRequest();
    const wanted = { account: parseSlug("acme"), csr: Buffer.from(csr), profile };
    const { record, chain } = await signRequest(parts, "test", wanted);
    const { fingerprint, serial } = record;
    return { ...credentialOfHome(this.home, key, chain), fingerprint, serial };
  }

  /** Asks for a renewal over the wire. */
  ask(credential: TestCredential, csr: string, more: TestRequest = {}): Promise<TestAnswer> {
    const { key, cert, ca } = credential;
    return call(`${this.server.listening.ca}/v1/certificates/renew`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ csr }),
      ...(more.agent ? {} : { tls: { key, cert, ca } }),
      ...more,
    });
  }

  /** Renews with a new key. */
  async renew(credential: TestCredential): Promise<TestCredential> {
    const { key, csr } = await freshRequest();
    const { status, json, text } = await this.ask(credential, csr);
    if (status !== 201) throw new Error(`it was not renewed: ${text}`);
    const { chain, fingerprint, serial } = json;
    const { ca } = credential;
    return { key, cert: String(chain), ca, fingerprint: String(fingerprint), serial: String(serial) };
  }

  /** What a renewal with a new key is answered: the status, and the error's code if it is one. */
  async answer(credential: TestCredential): Promise<string> {
    return said(await this.ask(credential, (await freshRequest()).csr));
  }

  /** What a call is answered, on a connection of its own or an agent's. */
  async call({ key, cert, ca }: TestCredential, agent?: TestRequest["agent"]): Promise<string> {
    const by = agent ? { agent } : { tls: { key, cert, ca } };
    return said(await call(`${this.server.listening.enforce}/whoami`, by));
  }

  /** Retires what is due, as `serve` does by itself a minute later at most. */
  async retire(): Promise<void> {
    await retireDue(this.database, systemClock);
  }

  revoke(credential: TestCredential): Promise<unknown> {
    return revoke(this.database, mutation, idOf(credential), "superseded");
  }

  suspend(credential: TestCredential): Promise<unknown> {
    return suspend(this.database, mutation, idOf(credential));
  }

  resume(credential: TestCredential): Promise<unknown> {
    return resume(this.database, mutation, idOf(credential));
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.database.close();
    await this.#workspace.remove();
  }
}

function idOf({ fingerprint }: TestCredential): {
  readonly fingerprint: ReturnType<typeof parseFingerprint>;
} {
  return { fingerprint: parseFingerprint(fingerprint) };
}

function said({ status, json }: TestAnswer): string {
  return typeof json["code"] === "string" ? `${String(status)} ${json["code"]}` : String(status);
}

/** One for all tests of a file; what is returned has it from the first of them on. */
export function renewalGround(): { readonly ground: RenewalGround } {
  const shared = {} as { ground: RenewalGround };
  beforeAll(async () => {
    shared.ground = await RenewalGround.open();
  });
  afterAll(() => shared.ground.close());
  return shared;
}
