import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import type { CallLimits } from "../../src/domain/call-limits.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseScope, parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword, systemClock } from "../../src/home/open.ts";
import { type Enforcer, type TlsCertificate, createEnforcer } from "../../src/index.ts";
import { createAccount, noRights, setAccountStatus, updateAccount } from "../../src/services/accounts.ts";
import { awaitFollowers } from "../../src/services/await-followers.ts";
import type { IssuingParts } from "../../src/services/issue/parts.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { installIssuer } from "../../src/services/issuers.ts";
import { issuerRecord } from "../../src/x509/ca-reader.ts";
import { codec } from "../../src/x509/codec.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestCredential, freshRequest } from "./client.ts";
import { clientTemplate, makeIssuer } from "./fixtures-issuer.ts";
import { credentialOfHome, listenerCertificate } from "./own-issuer.ts";
import { freshHome, initHome } from "./fresh-home.ts";
import { type Workspace, makeWorkspace } from "./workspace.ts";

const mutation = { clock: systemClock, actor: "test" };

/** A home, an enforcer that follows it, and an admin's hand on its records: all in this process. */
export class DoorScene {
  readonly home: string;
  readonly enforcer: Enforcer;
  /** Of the services. */
  readonly certificate: TlsCertificate;
  /** What the enforcer logged. */
  readonly log: (Record<string, unknown> & { readonly message: string })[];
  readonly database: Database;
  readonly #workspace: Workspace;
  readonly #parts: IssuingParts;
  readonly #servers: Server[] = [];

  private constructor(
    workspace: Workspace,
    opened: Pick<DoorScene, "home" | "enforcer" | "certificate" | "log" | "database"> & {
      readonly parts: IssuingParts;
    },
  ) {
    this.#workspace = workspace;
    this.#parts = opened.parts;
    this.home = opened.home;
    this.enforcer = opened.enforcer;
    this.certificate = opened.certificate;
    this.log = opened.log;
    this.database = opened.database;
  }

  /** @param databaseUrl of a PostgreSQL database that is to be the home's; the enforcer then goes without the home */
  static async open(databaseUrl?: string): Promise<DoorScene> {
    const workspace = await makeWorkspace();
    const home = workspace.file("home");
    const env = databaseUrl === undefined ? {} : { COUNTERSIGN_DATABASE_URL: databaseUrl };
    if (databaseUrl === undefined) await freshHome(home);
    else await initHome(home, [], { ...process.env, ...env });
    const config = resolveConfig(home, {}, env, readConfigFile(home));
    const database = await openState(config);
    const issuers = await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
    const parts = issuingParts(config, database, issuers, "http://127.0.0.1:8080");
    const log: DoorScene["log"] = [];
    const write = (fields: object, message: string): number => log.push({ ...fields, message });
    const logger = { info: write, warn: write, error: write };
    const trust = join(home, "certs", "root.crt");
    const enforcer = await createEnforcer(
      databaseUrl === undefined ? { home, logger } : { databaseUrl, trust, logger },
    );
    return new DoorScene(workspace, {
      ...{ home, enforcer, log, database, parts },
      certificate: listenerCertificate(home),
    });
  }

  async account(slug: string, ...scopes: string[]): Promise<void> {
    const rights = { ...noRights, scopes: scopes.map(parseScope) };
    await createAccount(this.database, mutation, { slug: parseSlug(slug), ...rights });
  }

  async credential(account: string, notAfter?: number): Promise<TestCredential> {
    const { key, csr } = await freshRequest();
    const wanted = { account: parseSlug(account), csr: Buffer.from(csr), profile: "client", notAfter };
    const { record, chain } = await signRequest(this.#parts, "test", wanted);
    const { fingerprint, serial } = record;
    return { ...credentialOfHome(this.home, key, chain), fingerprint, serial };
  }

  async revoke({ fingerprint }: TestCredential): Promise<void> {
    await revoke(this.database, mutation, { fingerprint: parseFingerprint(fingerprint) }, "keyCompromise");
  }

  async suspend({ fingerprint }: TestCredential): Promise<void> {
    await suspend(this.database, mutation, { fingerprint: parseFingerprint(fingerprint) });
  }

  /** Gives an account limits, and waits until the enforcer goes by them. */
  async limit(slug: string, limits: Partial<CallLimits>): Promise<void> {
    await updateAccount(this.database, mutation, parseSlug(slug), limits);
    await this.applied();
  }

  /** Gives an account these scopes and no others, and waits until the enforcer goes by them. */
  async permit(slug: string, ...scopes: string[]): Promise<void> {
    await updateAccount(this.database, mutation, parseSlug(slug), { scopes: scopes.map(parseScope) });
    await this.applied();
  }

  /** Waits until the enforcer goes by all that was changed. */
  async applied(): Promise<void> {
    const last = await this.database.changes.last();
    await awaitFollowers(this.database, systemClock, { last }, () => true, 10_000);
  }

  async suspendAccount(slug: string): Promise<void> {
    await setAccountStatus(this.database, mutation, parseSlug(slug), "suspended");
  }

  /** Puts an issuing CA of somebody else's on record; returns a client of it that is not. */
  async installForeignIssuer(): Promise<TestCredential> {
    const { issuer } = await makeIssuer("ec-p256");
    const record = issuerRecord(issuer.der, parseSlug("foreign"), "issuing");
    await installIssuer(this.database, mutation, codec, record, issuer);
    const { key, csr } = await freshRequest();
    const leaf = await codec.signLeaf(issuer, clientTemplate(codec.parseRequest(Buffer.from(csr)).spki));
    return credentialOfHome(this.home, key, toPem("CERTIFICATE", leaf));
  }

  /** Listens on a free port of 127.0.0.1; returns the URL, without a slash at its end. */
  async listen(server: Server): Promise<string> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
    return `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    await this.enforcer.close();
    await this.database.close();
    await this.#workspace.remove();
  }
}

/** One for all tests of a file; what is returned has it from the first of them on. */
export function sharedScene(prepare?: (scene: DoorScene) => Promise<void>): { readonly scene: DoorScene } {
  const shared = {} as { scene: DoorScene };
  beforeAll(async () => {
    shared.scene = await DoorScene.open();
    await prepare?.(shared.scene);
  });
  afterAll(() => shared.scene.close());
  return shared;
}
