import { randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { type Config, type RawConfig, resolveConfig } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { type Fingerprint, fingerprintOf, serialFrom, spkiHashOf } from "../domain/identifiers.ts";
import type { KeyType } from "../domain/key-policy.ts";
import type { Clock, Database, Issuer } from "../domain/ports.ts";
import { DAY, HOUR, wholeSeconds } from "../domain/time.ts";
import { type KeyPair, makeKeyPair } from "../keys/key-pair.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import { signNextCrl } from "../services/crl.ts";
import { recordChange } from "../services/record-change.ts";
import { type CaTemplate, makeCaCertificate } from "../x509/ca-certificate.ts";
import { codec, issuerFrom, issuerIdOf } from "../x509/codec.ts";
import { issuerUrls } from "../x509/leaf-writer.ts";
import { toPem } from "../x509/pem.ts";
import { encryptPrivateKey } from "../x509/private-key.ts";
import { PUBLIC, SECRET, homePaths, readSecret, writeFileAtomically } from "./files.ts";
import { ListenerCertificate } from "./listener-certificate.ts";
import { issuingParts, openDatabaseOf, openIssuer, publicUrlOf, systemClock } from "./open.ts";
import { layOutProfiles } from "./profiles.ts";

const ROOT_LIFE = 20 * 365 * DAY;
const ISSUER_LIFE = 5 * 365 * DAY;
const ROOT_CRL_LIFE = 365 * DAY;

export interface InitOptions {
  readonly home: string;
  readonly flags: RawConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly keyType: KeyType;
  /** The issuing keys' password; made and stored in `secrets/password` when not given. */
  readonly password?: string | undefined;
  /** The root key's; made and stored in `secrets/root.password` when not given. */
  readonly rootPassword?: string | undefined;
  readonly actor: string;
  readonly clock?: Clock;
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
 * `config.json` comes last: until it is there the home isn't initialised. An attempt that a crash cut short is told by
 * its marker and taken up again; keys without a marker are never written over.
 *
 * @throws Refusal HOME_INITIALISED, CONFIG_INVALID, UNAVAILABLE, FILE_UNREADABLE.
 */
export async function initHome(options: InitOptions): Promise<Initialised> {
  const { home, flags, env } = options;
  const paths = homePaths(home);
  const config = resolveConfig(home, flags, env, {});
  if (existsSync(paths.config)) {
    throw new Refusal("HOME_INITIALISED", `${home} is initialised already. Nothing was changed.`);
  }
  mkdirSync(paths.certs, { recursive: true });
  mkdirSync(paths.secrets, { recursive: true, mode: 0o700 });
  takeMarker(home);
  // From here on, what is in certs/ and secrets/ is ours, or an earlier attempt's that did not finish.
  const database = await openStateOrRelease(config);
  try {
    const [issuer] = (await database.issuers.list()).filter(({ role }) => role === "issuing");
    if (!issuer) await makeAuthorities(options, config, database);
    else requireOwnDatabase(home, issuer.der);
    const password = options.password ?? readSecret(paths.password);
    await finish(options, config, database, password);
  } finally {
    await database.close();
  }
  return {
    home,
    rootFingerprint: fingerprintOf(new X509Certificate(readFileSync(paths.rootCert)).raw),
    issuerFingerprint: fingerprintOf(new X509Certificate(readFileSync(paths.issuerCert)).raw),
    madePassword: options.password === undefined,
    madeRootPassword: options.rootPassword === undefined,
  };
}

/** Claims the home for this process, from nobody or from one that is gone. */
function takeMarker(home: string): void {
  const paths = homePaths(home);
  if (existsSync(paths.marker)) {
    const holder = Number(readFileSync(paths.marker, "utf8"));
    if (holder !== process.pid && isRunning(holder)) {
      throw new Refusal("HOME_INITIALISED", `${home} is being initialised by process ${String(holder)}.`);
    }
    rmSync(paths.marker);
  } else if ([paths.rootKey, paths.issuerKey, paths.database].some((path) => existsSync(path))) {
    throw new Refusal(
      "HOME_INITIALISED",
      `${home} has keys or a database, but no config.json. Put it back from a backup, or choose another home.`,
    );
  }
  writeFileSync(paths.marker, String(process.pid), { flag: "wx", mode: SECRET });
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function openStateOrRelease(config: Config): Promise<Database> {
  try {
    return await openDatabaseOf(config);
  } catch (error) {
    rmSync(homePaths(config.home).marker, { force: true });
    throw error;
  }
}

/** A database with issuers is gone on with only when they are this home's, from an attempt that did not finish. */
function requireOwnDatabase(home: string, issuer: Uint8Array): void {
  const paths = homePaths(home);
  const isOwn =
    existsSync(paths.issuerCert) && new X509Certificate(readFileSync(paths.issuerCert)).raw.equals(issuer);
  if (isOwn) return;
  rmSync(paths.marker, { force: true });
  throw new Refusal("HOME_INITIALISED", "The database belongs to another home. Nothing was changed.");
}

async function makeAuthorities(options: InitOptions, config: Config, database: Database): Promise<void> {
  const { home, keyType, clock = systemClock } = options;
  const paths = homePaths(home);
  const root = await makeKeyPair(keyType);
  const issuing = await makeKeyPair(keyType);
  const rootName = `${config.name} Root CA`;
  const rootDer = await makeCaCertificate(root, template(clock, rootName, 1, ROOT_LIFE));
  const crlUrl = hasUrl(config) ? issuerUrls(publicUrlOf(config), issuerIdOf(rootDer)).crl : undefined;
  const issuerDer = await makeCaCertificate(
    issuing,
    { ...template(clock, `${config.name} Issuing CA`, 0, ISSUER_LIFE), crlUrl },
    { commonName: rootName, keys: root },
  );

  const password = options.password ?? makePassword(paths.password);
  const rootPassword = options.rootPassword ?? makePassword(paths.rootPassword);
  writeFileAtomically(paths.rootKey, await encryptPrivateKey(root.privateKey, rootPassword), SECRET);
  writeFileAtomically(paths.issuerKey, await encryptPrivateKey(issuing.privateKey, password), SECRET);
  writeFileAtomically(paths.rootCert, toPem("CERTIFICATE", rootDer), PUBLIC);
  writeFileAtomically(paths.issuerCert, toPem("CERTIFICATE", issuerDer), PUBLIC);
  await recordAuthorities(database, options, asIssuer(rootDer, root), asIssuer(issuerDer, issuing));
}

/** Certificates are valid from an hour before: clocks differ, and leaves are backdated too. */
function template(clock: Clock, commonName: string, pathLength: number, life: number): CaTemplate {
  const now = wholeSeconds(clock.now());
  return {
    commonName,
    pathLength,
    serial: serialFrom(randomBytes(16)),
    notBefore: now - HOUR,
    notAfter: now + life,
  };
}

/** With port 0 the URL changes at each start: nothing to put into a certificate of five years. */
function hasUrl(config: Config): boolean {
  return config.publicUrl !== undefined || config.listen.public.port !== 0;
}

function asIssuer(der: Uint8Array, pair: KeyPair): Issuer {
  return issuerFrom(der, memorySigner(pair.privateKey));
}

function makePassword(path: string): string {
  const password = randomBytes(24).toString("base64url");
  writeFileAtomically(path, `${password}\n`, SECRET);
  return password;
}

async function recordAuthorities(
  database: Database,
  options: InitOptions,
  root: Issuer,
  issuing: Issuer,
): Promise<void> {
  const mutation = { clock: options.clock ?? systemClock, actor: options.actor };
  await database.transaction(async (stores) => {
    for (const [role, { id, der, signer }] of [["root", root] as const, ["issuing", issuing] as const]) {
      await stores.issuers.insert({ id, role, der, spkiHash: spkiHashOf(signer.spki) });
    }
    await recordChange(stores, mutation, "home.init", issuing.id, { root: root.id, host: hostname() });
    // In the same transaction: a home has both CRLs or none.
    await signNextCrl(stores, mutation, codec, root, ROOT_CRL_LIFE);
    await signNextCrl(stores, mutation, codec, issuing);
  });
}

async function finish(
  options: InitOptions,
  config: Config,
  database: Database,
  password: string,
): Promise<void> {
  const { home, flags, clock = systemClock } = options;
  const paths = homePaths(home);
  layOutProfiles(paths.profiles);
  const issuer = openIssuer(home, password);
  const issuing = issuingParts(config, database, issuer, publicUrlOf(config), clock);
  await ListenerCertificate.open({ home, password, issuing, names: listenerNames(config) });
  const { name, trustDomain, dns } = config;
  const { publicUrl, listen } = flags;
  const settled = { name, trustDomain, dns, publicUrl, listen: definedOnly(listen) };
  writeFileAtomically(paths.config, `${JSON.stringify(settled, null, 2)}\n`, SECRET);
  rmSync(paths.marker);
}

function definedOnly(listen: RawConfig["listen"]): RawConfig["listen"] {
  const entries = Object.entries(listen ?? {}).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** What clients may call the TLS listeners by: the configured names, and the addresses listened on. */
export function listenerNames(config: Config): string[] {
  const hosts = [config.listen.ca.host, config.listen.enforce.host];
  return [...new Set([...config.dns, ...hosts.filter((host) => host !== "0.0.0.0" && host !== "::")])];
}
