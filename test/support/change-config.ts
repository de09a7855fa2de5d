import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Replaces a home's config.json by one with these settings changed, in one step, as editors and deployments do. */
export function changeConfig(home: string, changes: object): void {
  const path = join(home, "config.json");
  const before = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(`${path}.new`, JSON.stringify({ ...before, ...changes }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
