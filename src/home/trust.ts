import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { refuseConfig } from "../config-fields.ts";
import type { Config, ConfigReading } from "../config.ts";
import type { SpkiHash } from "../domain/identifiers.ts";
import type { Instant } from "../domain/time.ts";
import { type ForeignCa, foreignIssuerRecord, readForeignCas } from "../x509/foreign-ca.ts";
import { homePaths } from "./paths.ts";

/** A CA beside our own, of which credentials may be registered. */
export interface TrustedAuthority {
  readonly name: string;
  readonly cas: readonly ForeignCa[];
  /** The file of its CRL, or its URL. */
  readonly crl: string | undefined;
  /** Where its last good CRL is kept over a restart. */
  readonly copy: string;
}

/**
 * Reads what `trust` in config.json names; relative paths are the home's.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault.
 */
export function loadTrust(config: Pick<Config, "home" | "trust">, now: Instant): TrustedAuthority[] {
  const { authorities, faults } = readTrust(config.home, config.trust, now);
  return faults.length === 0 ? authorities : refuseConfig(faults);
}

/**
 * The same, of what is well formed.
 *
 * @returns what could be read, and everything that is wrong with the rest
 */
export function readTrust(
  home: string,
  trust: ConfigReading["sound"]["trust"],
  now: Instant,
): { readonly authorities: TrustedAuthority[]; readonly faults: readonly string[] } {
  const faults: string[] = [];
  const authorities = trust.map(({ ca, crl, ...given }, place) => {
    const name = given.name ?? String(place);
    const fault = (what: string): void => void faults.push(`trust '${name}': ${what}`);
    const bytes = ca === undefined ? undefined : readOr(resolve(home, ca), fault);
    const read = bytes && readForeignCas(bytes, now);
    for (const one of read?.faults ?? []) fault(`${String(ca)}: ${one}`);
    const isUrl = crl?.includes("://") ?? false;
    const source = crl === undefined || isUrl ? crl : resolve(home, crl);
    const copy = join(homePaths(home).trust, `${name}.crl`);
    if (source !== undefined && !isUrl && !existsSync(copy)) readOr(source, fault);
    return { name, cas: read?.cas ?? [], crl: source, copy };
  });
  return { authorities, faults: [...faults, ...sharedCas(authorities)] };
}

/** For the handshake of calls, PEM. */
export function foreignAnchors(authorities: readonly TrustedAuthority[]): string[] {
  return authorities.flatMap(({ cas }) => cas.map(({ certificate }) => certificate.toString()));
}

/** Of all these CAs. */
export function foreignKeys(authorities: readonly TrustedAuthority[]): Set<SpkiHash> {
  return new Set(authorities.flatMap(({ cas }) => cas.map((ca) => foreignIssuerRecord(ca).spkiHash)));
}

/** The list of one would stand in the other's place. */
function sharedCas(authorities: readonly TrustedAuthority[]): string[] {
  return authorities.flatMap(({ name, cas }, index) => {
    const others = authorities.slice(0, index);
    const same = others.find((other) => other.cas.some(({ id }) => cas.some((ca) => ca.id === id)));
    return same ? [`trust '${name}': it has a CA in common with '${same.name}'`] : [];
  });
}

function readOr(path: string, fault: (what: string) => void): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    fault(`${path} cannot be read`);
    return undefined;
  }
}
