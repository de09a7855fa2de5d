import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The version of this software, as package.json has it. */
export function softwareVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
