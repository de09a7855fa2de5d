import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { Refusal } from "../domain/errors.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import type { Profile } from "../domain/profile.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { formatTime } from "../domain/time.ts";
import { readInput } from "../files/files.ts";
import { isNearEnd } from "../services/issuers.ts";
import { issuerIdOf } from "../x509/codec.ts";
import type { HomeIssuers } from "./issuers.ts";
import { homePaths } from "./paths.ts";

// What `serve` asks of a home before it serves, and what it warns of.

/** The root on record whose certificate is in the home. Throws CONFIG_INVALID, FILE_UNREADABLE. */
export function rootOfHome(issuers: readonly IssuerRecord[], home: string): IssuerRecord {
  const id = issuerIdOf(new X509Certificate(readInput(homePaths(home).rootCert)).raw);
  const root = issuers.find((issuer) => issuer.id === id && issuer.role === "root");
  if (!root) throw new Refusal("CONFIG_INVALID", "The database lacks the home's root.");
  return root;
}

/** Homes that share a database need not all have every issuer's key; but those that their own profiles name. */
export function requireKeys<Profiles extends ReadonlyMap<string, Profile>>(
  profiles: Profiles,
  issuers: HomeIssuers,
): Profiles {
  for (const { name, issuer } of profiles.values()) {
    if (issuers.signing(issuer)) continue;
    const fault = `${name}.json: the key of issuer '${issuer}' is not in this home`;
    throw new Refusal("CONFIG_INVALID", `The profiles are not valid: ${fault}.`);
  }
  return profiles;
}

/** What is issued never outlives its issuer: long before that end, lives get shorter. */
export function warnOfEnds(issuers: readonly IssuerRecord[], clock: Clock, logger: Logger): void {
  for (const issuer of issuers) {
    if (issuer.status === "retired" || !isNearEnd(issuer, clock.now())) continue;
    const fields = { issuer: issuer.name, notAfter: formatTime(issuer.notAfter) };
    logger.warn(fields, "less than a third of this CA's life is left: make the next one");
  }
}

/** A root key on the CA's own machine is one that whoever gets in has too. */
export function warnOfRootKey(home: string, logger: Logger): void {
  const { rootKey } = homePaths(home);
  if (!existsSync(rootKey)) return;
  logger.warn(
    { rootKey },
    "the root key is still here: take it and its password offline, with 'countersign root move --to DIR'",
  );
}
