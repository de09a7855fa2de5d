import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { IssuerId } from "../domain/identifiers.ts";
import { PUBLIC, SECRET, writeFileAtomically } from "../files/files.ts";
import { homePaths } from "./paths.ts";

/** What a new CA consists of, before the home is initialised. */
type InstalledFile = "root.crt" | "issuer.crt" | "root.key" | "issuer.key" | "password" | "root.password";
type StagedFile = InstalledFile | "options.json";

/** Where an attempt keeps its files until the home is whole: each has its own, named after its issuing CA. */
export function stagingArea(home: string, issuer: IssuerId): string {
  return join(homePaths(home).secrets, `init-${issuer}`);
}

export function stage(area: string, files: Readonly<Partial<Record<StagedFile, string>>>): void {
  mkdirSync(area, { mode: 0o700 });
  for (const [name, contents] of Object.entries(files))
    writeFileAtomically(join(area, name), contents, SECRET);
}

/** Copies the staged files to their places. After a crash it is done once more, with the same outcome. */
export function install(home: string, area: string): void {
  const paths = homePaths(home);
  const places: Readonly<Record<InstalledFile, string>> = {
    "root.crt": paths.rootCert,
    "issuer.crt": paths.issuerCert,
    "root.key": paths.rootKey,
    "issuer.key": paths.issuerKey,
    password: paths.password,
    "root.password": paths.rootPassword,
  };
  for (const [name, place] of Object.entries(places)) {
    const staged = join(area, name);
    if (!existsSync(staged)) continue; // a password that was given
    writeFileAtomically(place, readFileSync(staged), name.endsWith(".crt") ? PUBLIC : SECRET);
  }
}

export function clearStaging(area: string): void {
  rmSync(area, { recursive: true, force: true });
}

/** Throws away what attempts left behind that can come to nothing any more: copies of the root key may be among it. */
export function clearAllStaging(home: string): void {
  const { certs, profiles, secrets } = homePaths(home);
  for (const directory of [home, certs, profiles, secrets]) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      if (/^init-[0-9a-f]{40}$|\.[0-9a-f]{12}\.tmp$/.test(name)) clearStaging(join(directory, name));
    }
  }
}
