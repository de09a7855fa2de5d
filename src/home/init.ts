import { X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, type RawConfig, resolveConfig } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { type Fingerprint, type IssuerId, fingerprintOf } from "../domain/identifiers.ts";
import type { Database, Issuer } from "../domain/ports.ts";
import { SECRET, createFileAtomically, readSecret } from "../files/files.ts";
import type { Mutation } from "../services/record-change.ts";
import { type AuthorityOptions, makeAuthorities, requireSameOptions } from "./authorities.ts";
import { ListenerCertificate } from "./listener-certificate.ts";
import { HomeIssuers } from "./issuers.ts";
import { issuingParts, openDatabaseOf, publicUrlOf } from "./open.ts";
import { homePaths } from "./paths.ts";
import { layOutProfiles } from "./profiles.ts";
import { clearAllStaging, install, stagingArea } from "./staging.ts";

export interface InitOptions extends AuthorityOptions {
  readonly home: string;
  readonly flags: RawConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly mutation: Mutation;
}

export interface Initialised {
  readonly home: string;
  readonly rootFingerprint: Fingerprint;
  readonly issuerFingerprint: Fingerprint;
  readonly madePassword: boolean;
  readonly madeRootPassword: boolean;
}

/**
 * Makes a home: root and issuing CA, their first CRLs, the listeners' certificate, the database, the profiles.
 *
 * `config.json` comes last, and only one attempt can create it: until it is there the home isn't initialised. An attempt
 * that a crash cut short is taken up again from its staged files; keys that nobody staged are never written over.
 *
 * @throws Refusal HOME_INITIALISED, CONFIG_INVALID, UNAVAILABLE, FILE_UNREADABLE.
 */
export async function initHome(options: InitOptions): Promise<Initialised> {
  const { home, flags, env } = options;
  const paths = homePaths(home);
  const config = resolveConfig(home, flags, env, {});
  if (existsSync(paths.config)) {
    clearAllStaging(home);
    throw alreadyInitialised(home);
  }
  mkdirSync(paths.certs, { recursive: true });
  mkdirSync(paths.secrets, { recursive: true });
  chmodSync(paths.secrets, 0o700); // it may have been there
  let made: Pick<Initialised, "madePassword" | "madeRootPassword">;
  const database = await openDatabaseOf(config);
  try {
    const issuer =
      (await stagedIssuer(options, config, database)) ?? (await makeFirst(options, config, database));
    const area = stagingArea(home, issuer);
    made = {
      madePassword: existsSync(join(area, "password")),
      madeRootPassword: existsSync(join(area, "root.password")),
    };
    install(home, area);
    await finish(options, config, database);
  } catch (error) {
    // Another attempt may have finished meanwhile, and taken this one's files away.
    const isOfFiles = !(error instanceof Refusal) || error.code === "FILE_UNREADABLE";
    throw isOfFiles && existsSync(paths.config) ? alreadyInitialised(home) : error;
  } finally {
    await database.close();
  }
  clearAllStaging(home);
  return {
    home,
    rootFingerprint: fingerprintOf(new X509Certificate(readFileSync(paths.rootCert)).raw),
    issuerFingerprint: fingerprintOf(new X509Certificate(readFileSync(paths.issuerCert)).raw),
    ...made,
  };
}

function alreadyInitialised(home: string): Refusal {
  return new Refusal("HOME_INITIALISED", `${home} is initialised already. Nothing was changed.`);
}

/** The issuing CA of an attempt that has come as far as the database, and is to be gone on with. */
async function stagedIssuer(
  options: InitOptions,
  config: Config,
  database: Database,
): Promise<IssuerId | undefined> {
  const { home } = options;
  const issuing = (await database.issuers.list()).filter(({ role }) => role === "issuing");
  const staged = issuing.find(({ id }) => existsSync(stagingArea(home, id)));
  if (issuing.length > 0 && !staged) {
    throw new Refusal(
      "HOME_INITIALISED",
      "The database belongs to a home already. If it is this one, put its config.json back from a backup.",
    );
  }
  if (staged) requireSameOptions(stagingArea(home, staged.id), config, options);
  return staged?.id;
}

async function makeFirst(options: InitOptions, config: Config, database: Database): Promise<IssuerId> {
  const { rootKey, issuerKey } = homePaths(options.home);
  if (existsSync(rootKey) || existsSync(issuerKey)) {
    const hint = "Put it back from a backup, or choose another home.";
    throw new Refusal("HOME_INITIALISED", `${options.home} has keys, but no config.json. ${hint}`);
  }
  return makeAuthorities(database, config, options.mutation, options);
}

async function finish(options: InitOptions, config: Config, database: Database): Promise<void> {
  const { home, flags, mutation } = options;
  const paths = homePaths(home);
  layOutProfiles(paths.profiles);
  const password = options.password ?? readSecret(paths.password);
  const issuers = await HomeIssuers.open(database, home, password);
  const issuing = issuingParts(config, database, issuers, publicUrlOf(config), mutation.clock);
  const issuer = (): Issuer => issuers.forListeners();
  await ListenerCertificate.open({ home, password, issuing, issuer, names: certificateNames(config) });
  const { name, trustDomain, dns } = config;
  const { publicUrl, listen } = flags;
  const settled = { name, trustDomain, dns, publicUrl, listen: definedOnly(listen) };
  if (!createFileAtomically(paths.config, `${JSON.stringify(settled, null, 2)}\n`, SECRET)) {
    throw alreadyInitialised(home);
  }
}

function definedOnly(listen: RawConfig["listen"]): RawConfig["listen"] {
  const entries = Object.entries(listen ?? {}).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** What clients may call the TLS listeners by: the configured names, and the addresses listened on. */
export function certificateNames(config: Config): string[] {
  const hosts = [config.listen.ca.host, config.listen.enforce.host];
  return [...new Set([...config.dns, ...hosts.filter((host) => host !== "0.0.0.0" && host !== "::")])];
}
