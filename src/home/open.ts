import { randomBytes, randomUUID, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import type { Clock, Database, RandomBytes } from "../domain/ports.ts";
import { type SteadyClock, steadyClock } from "../domain/steady-clock.ts";
import { Ledger } from "../services/issue/ledger.ts";
import type { IssuingParts } from "../services/issue/parts.ts";
import { openDatabase } from "../storage/database.ts";
import { codec, issuerIdOf } from "../x509/codec.ts";
import { readInput, readSecret } from "../files/files.ts";
import type { HomeIssuers } from "./issuers.ts";
import { homePaths } from "./paths.ts";
import { loadProfiles } from "./profiles.ts";
import { foreignKeys, loadTrust } from "./trust.ts";

export const systemClock: Clock = { now: () => Date.now() };
/** For what is not to begin anew when the system's clock is set back. */
export const systemSteadyClock = (): SteadyClock => steadyClock(systemClock, () => performance.now());

export const systemRandom: RandomBytes = (count) => randomBytes(count);

const POOL = 4096;
let pool = Buffer.alloc(0);

/** The same, for what is public anyway, such as serial numbers: asking for a few octets costs as much as for many. */
const pooledRandom: RandomBytes = (count) => {
  if (pool.length < count) pool = randomBytes(POOL);
  const taken = pool.subarray(0, count);
  pool = pool.subarray(count);
  return taken;
};

/** How this process is known to the commands that wait for it. */
export function processIdentity(): { id: string; pid: number; host: string } {
  return { id: randomUUID(), pid: process.pid, host: hostname() };
}

/** `--password-file`, else COUNTERSIGN_PASSWORD_FILE, else `secrets/password`. Throws FILE_UNREADABLE. */
export function readPassword(home: string, flag: string | undefined, env: NodeJS.ProcessEnv): string {
  return readSecret(flag ?? env["COUNTERSIGN_PASSWORD_FILE"] ?? homePaths(home).password);
}

/** Opens the database of a home that may not be initialised yet. Throws UNAVAILABLE. */
export function openDatabaseOf(config: Config): Promise<Database> {
  return openDatabase(
    config.databaseUrl === undefined
      ? { file: homePaths(config.home).database }
      : { url: config.databaseUrl },
  );
}

/**
 * Opens an initialised home's state, and makes sure that it is that home's: a variable that is missing or wrong must not
 * lead to an empty database, or to another home's.
 *
 * @throws Refusal UNAVAILABLE, CONFIG_INVALID, FILE_UNREADABLE.
 */
export async function openState(config: Config): Promise<Database> {
  requireDatabaseFile(config);
  const own = issuerIdOf(new X509Certificate(readInput(homePaths(config.home).issuerCert)).raw);
  const database = await openDatabaseOf(config);
  try {
    const issuers = await database.issuers.list();
    if (issuers.some(({ id }) => id === own)) return database;
    const fault = "The database does not belong to this home: it lacks the home's issuer.";
    throw new Refusal("CONFIG_INVALID", fault);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Throws CONFIG_INVALID. */
export function requireDatabaseFile(config: Pick<Config, "home" | "databaseUrl">): void {
  const { database } = homePaths(config.home);
  if (config.databaseUrl !== undefined || existsSync(database)) return;
  const hint = "Is COUNTERSIGN_DATABASE_URL not set?";
  throw new Refusal("CONFIG_INVALID", `${database}, the home's database, is not there. ${hint}`);
}

/**
 * Puts together what issuing works with.
 *
 * @param publicUrl what certificates carry
 * @throws Refusal CONFIG_INVALID when the profiles are not valid, or name an issuer that can't sign; or `trust` is not.
 */
export function issuingParts(
  config: Config,
  database: Database,
  issuers: HomeIssuers,
  publicUrl: string,
  clock: Clock = systemClock,
): IssuingParts {
  const profiles = loadProfiles(homePaths(config.home).profiles, issuers.records);
  return {
    ...{ database, codec, issuers, clock, publicUrl },
    ledger: new Ledger(database, clock),
    profiles: () => profiles,
    randomBytes: pooledRandom,
    trustDomain: config.trustDomain,
    foreignKeys: foreignKeys(loadTrust(config, clock.now())),
  };
}

/** The URL that certificates carry: as configured, else where the public listener is (or is to be). */
export function publicUrlOf(config: Config, port = config.listen.public.port): string {
  return config.publicUrl ?? `http://${urlHost(config.listen.public.host)}:${String(port)}`;
}

/** A host as it stands in a URL; where a listener takes any address, loopback stands for it. */
export function urlHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
