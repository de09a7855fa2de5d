import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import type { Instant } from "../domain/time.ts";
import { type ForeignCa, readForeignCas } from "../x509/foreign-ca.ts";

/** A CA beside our own, of which credentials may be registered. */
export interface TrustedAuthority {
  readonly name: string;
  readonly cas: readonly ForeignCa[];
  /** The file of its CRL. */
  readonly crl: string | undefined;
}

/**
 * Reads what `trust` in config.json names; relative paths are the home's.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault.
 */
export function loadTrust(config: Pick<Config, "home" | "trust">, now: Instant): TrustedAuthority[] {
  const faults: string[] = [];
  const authorities = config.trust.map(({ name, ca, crl }) => {
    const fault = (what: string): void => void faults.push(`trust '${name}': ${what}`);
    const bytes = readOr(resolve(config.home, ca), fault);
    const read = bytes && readForeignCas(bytes, now);
    for (const one of read?.faults ?? []) fault(`${ca}: ${one}`);
    const path = crl === undefined ? undefined : resolve(config.home, crl);
    if (path !== undefined) readOr(path, fault);
    return { name, cas: read?.cas ?? [], crl: path };
  });
  if (faults.length === 0) return authorities;
  throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${faults.join("; ")}.`);
}

/** For the handshake of calls, PEM. */
export function foreignAnchors(authorities: readonly TrustedAuthority[]): string[] {
  return authorities.flatMap(({ cas }) => cas.map(({ certificate }) => certificate.toString()));
}

function readOr(path: string, fault: (what: string) => void): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    fault(`${path} cannot be read`);
    return undefined;
  }
}
