import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Config,
  type RawConfig,
  readConfig,
  readConfigFile,
  requireKnownVariables,
  withoutRoutes,
} from "../config.ts";
import { refuseConfig } from "../config-fields.ts";
import { Refusal } from "../domain/errors.ts";
import { readInput } from "../files/files.ts";
import { Faults } from "./faults.ts";
import { readLastSeen } from "./last-seen.ts";
import { readPassword, requireDatabaseFile, systemClock } from "./open.ts";
import { homePaths } from "./paths.ts";
import { loadProfiles } from "./profiles.ts";
import { wholeConfig } from "./whole-config.ts";

interface Given {
  readonly home: string;
  readonly flags: RawConfig;
  readonly env: NodeJS.ProcessEnv;
}

interface Start extends Given {
  readonly passwordFile: string | undefined;
  /** Whether it starts whatever was seen before. */
  readonly acceptOlderState: boolean;
}

/**
 * Reads what a start needs of a home, and all else that can be wrong with its files: whoever mends it learns of every fault
 * at once.
 *
 * @throws Refusal HOME_MISSING; with one fault, its own; with several, CONFIG_INVALID, naming each.
 */
export function readForStart({ passwordFile, acceptOlderState, ...given }: Start): {
  readonly config: Config;
  readonly password: string;
} {
  const { home, env } = given;
  const faults = new Faults();
  const config = attemptConfig(faults, given, attemptFile(faults, given));
  const password = faults.attempt(() => readPassword(home, passwordFile, env));
  for (const path of faults.attempt(() => certificatesOf(home)) ?? [])
    faults.attempt(() => {
      requireCertificate(path);
    });
  for (const path of faults.attempt(() => keysOf(home)) ?? [])
    faults.attempt(() => {
      requireKey(path);
    });
  if (!acceptOlderState) faults.attempt(() => readLastSeen(home));
  const known = faults.found.length;
  faults.attempt(() => loadProfiles(homePaths(home).profiles));
  // Faults of profiles alone are told, all of them, once it is known which issuers there are.
  if (known === 0 && config && password !== undefined) return { config, password };
  return faults.refuse(home);
}

/**
 * The same for the routes alone, which have none of a home's keys.
 *
 * @param also reads whatever else is needed
 * @throws Refusal as above
 */
export function readForGateway<Read>(
  given: Given,
  also: () => Read,
): { readonly config: Config; readonly read: Read } {
  const { home } = given;
  const faults = new Faults();
  const file = attemptFile(faults, given);
  const config = attemptConfig(faults, given, file);
  attemptUnflagged(faults, given, file);
  faults.attempt(() => {
    requireCertificate(homePaths(home).issuerCert);
  });
  faults.attempt(() => readLastSeen(home));
  const read = faults.attempt(also);
  return config && read && faults.found.length === 0 ? { config, read } : faults.refuse(home);
}

function attemptFile(faults: Faults, { home, env }: Given): unknown {
  faults.attempt(() => {
    requireKnownVariables(env);
  });
  return faults.attempt(() => readConfigFile(home));
}

/** @param file nothing, where it could not be read: flags and variables are looked at all the same */
function attemptConfig(faults: Faults, { home, flags, env }: Given, file: unknown): Config | undefined {
  const reading = readConfig(home, flags, env, file === undefined ? {} : file);
  const config = faults.attempt(() => wholeConfig(reading, systemClock.now()));
  const { sound } = reading;
  if (file !== undefined && "databaseUrl" in sound)
    faults.attempt(() => {
      requireDatabaseFile({ home, databaseUrl: sound.databaseUrl });
    });
  return config;
}

/** The records are opened by what the file says, also where a flag says otherwise (`openEnforcerState`). */
function attemptUnflagged(faults: Faults, { home, flags, env }: Given, file: unknown): void {
  if (file === undefined) return;
  const known = readConfig(home, flags, env, file).faults;
  const others = readConfig(home, {}, env, withoutRoutes(file)).faults.filter((one) => !known.includes(one));
  if (others.length > 0) faults.attempt(() => refuseConfig(others));
}

/** Those of further issuers may be missing here. */
function certificatesOf(home: string): string[] {
  const { rootCert, issuerCert, certs } = homePaths(home);
  return [rootCert, issuerCert, ...filesIn(join(certs, "issuers"), ".crt")];
}

function keysOf(home: string): string[] {
  const { issuerKey, secrets } = homePaths(home);
  return [issuerKey, ...filesIn(join(secrets, "issuers"), ".key")];
}

function filesIn(folder: string, extension: string): string[] {
  if (!existsSync(folder)) return [];
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(extension));
    return names.sort().map((name) => join(folder, name));
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${folder} cannot be read.`, String(error));
  }
}

function requireCertificate(path: string): void {
  const pem = readInput(path);
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new Refusal("CONFIG_INVALID", `${path} is not a certificate.`, String(error));
  }
}

/** Whether the password opens it is seen when it is opened, which takes a tenth of a second. */
function requireKey(path: string): void {
  if (readInput(path).includes("PRIVATE KEY-----")) return;
  throw new Refusal("CONFIG_INVALID", `${path} is not a private key.`);
}
