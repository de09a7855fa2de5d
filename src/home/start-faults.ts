import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Config,
  type RawConfig,
  readConfigFile,
  requireKnownVariables,
  resolveConfig,
} from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { readInput } from "../files/files.ts";
import { loadGateway } from "./gateway.ts";
import { readLastSeen } from "./last-seen.ts";
import { readPassword, requireDatabaseFile, systemClock } from "./open.ts";
import { homePaths } from "./paths.ts";
import { loadProfiles } from "./profiles.ts";
import { loadTrust } from "./trust.ts";

interface Start {
  readonly home: string;
  readonly flags: RawConfig;
  readonly env: NodeJS.ProcessEnv;
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
export function readForStart({ home, flags, env, passwordFile, acceptOlderState }: Start): {
  readonly config: Config;
  readonly password: string;
} {
  const faults: Refusal[] = [];
  const attempt = <Result>(work: () => Result): Result | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === "HOME_MISSING") throw error;
      faults.push(error);
      return undefined;
    }
  };
  attempt(() => {
    requireKnownVariables(env);
  });
  const config = attempt(() => resolveConfig(home, flags, env, readConfigFile(home)));
  const password = attempt(() => readPassword(home, passwordFile, env));
  for (const path of attempt(() => certificatesOf(home)) ?? [])
    attempt(() => {
      requireCertificate(path);
    });
  for (const path of attempt(() => keysOf(home)) ?? [])
    attempt(() => {
      requireKey(path);
    });
  const known = faults.length;
  attempt(() => loadProfiles(homePaths(home).profiles));
  const hasOfProfiles = faults.length > known;
  if (config) {
    attempt(() => {
      requireDatabaseFile(config);
    });
    attempt(() => loadTrust(config, systemClock.now()));
    attempt(() => loadGateway(config));
  }
  if (!acceptOlderState) attempt(() => readLastSeen(home));
  // Faults of profiles alone are told, all of them, once it is known which issuers there are.
  const isFit = faults.length === 0 || (hasOfProfiles && faults.length === 1);
  if (isFit && config && password !== undefined) return { config, password };
  const [first, ...others] = faults;
  if (first && others.length === 0) throw first;
  const sentences = faults.map(({ message }) => message).join(" ");
  const details = faults.flatMap(({ detail }) => detail ?? []).join("; ");
  const counted = `${home} has ${String(faults.length)} faults. ${sentences}`;
  throw new Refusal("CONFIG_INVALID", counted, details === "" ? undefined : details);
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
