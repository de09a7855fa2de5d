import { readFileSync } from "node:fs";
import type { Fingerprint } from "../domain/identifiers.ts";

/** The URL of the CA with this root, if it is remembered. */
export function rememberedCaUrl(rootFingerprint: Fingerprint, env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_CONFIG_HOME: config = "", HOME: home = "" } = env;
  const folder = config.startsWith("/") ? config : `${home}/.config`; // XDG ignores what is relative
  try {
    const text = readFileSync(`${folder}/countersign/cas/${rootFingerprint}.json`, "utf8");
    const { caUrl } = JSON.parse(text) as { caUrl?: unknown };
    return typeof caUrl === "string" ? caUrl : undefined;
  } catch {
    return undefined;
  }
}
