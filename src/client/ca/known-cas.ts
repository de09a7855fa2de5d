import { readFileSync, readdirSync } from "node:fs";
import { Refusal } from "../../domain/errors.ts";
import { type Fingerprint, parseFingerprint } from "../../domain/identifiers.ts";
import { SECRET, makePrivateFolder, writeFileAtomically } from "../../files/files.ts";
import { httpsUrl } from "./https.ts";

/** A CA that somebody here has enrolled with. */
export interface KnownCa {
  readonly caUrl: string;
  /** Of its root. */
  readonly fingerprint: Fingerprint;
}

/**
 * Remembers a CA, and that it was the last: `cas/ROOT-FINGERPRINT.json` and `default-ca.json` in
 * `$XDG_CONFIG_HOME/countersign`, else `~/.config/countersign`.
 *
 * @throws Refusal FILE_UNREADABLE when there is no such place, or it can't be written.
 */
export function rememberCa(ca: KnownCa, env: NodeJS.ProcessEnv): void {
  const folder = configFolder(env);
  if (folder === undefined) throw new Refusal("FILE_UNREADABLE", "There is no home directory to write to.");
  makePrivateFolder(folder);
  makePrivateFolder(`${folder}/cas`);
  const { caUrl, fingerprint } = ca;
  writeFileAtomically(caFile(folder, fingerprint), `${JSON.stringify({ caUrl, fingerprint })}\n`, SECRET);
  writeFileAtomically(defaultFile(folder), `${JSON.stringify({ fingerprint })}\n`, SECRET);
}

/** Where the CA is, as told by an option, else by the environment: COUNTERSIGN_CA_URL. */
export function toldCaUrl(option: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  return option ?? (env["COUNTERSIGN_CA_URL"] === "" ? undefined : env["COUNTERSIGN_CA_URL"]);
}

/** The URL of the CA with this root, if it is remembered. */
export function rememberedCaUrl(rootFingerprint: Fingerprint, env: NodeJS.ProcessEnv): string | undefined {
  const folder = configFolder(env);
  return folder === undefined ? undefined : readCa(folder, rootFingerprint)?.caUrl;
}

/**
 * Completes what is given of a CA by what is remembered: with neither, the one that was used last.
 *
 * @throws Refusal CA_NOT_REMEMBERED when that is none, or more than one.
 */
export function recallCa(given: Partial<KnownCa>, env: NodeJS.ProcessEnv): KnownCa {
  const { caUrl, fingerprint } = given;
  if (caUrl !== undefined && fingerprint !== undefined) return { caUrl, fingerprint };
  const folder = configFolder(env);
  const last = folder === undefined ? undefined : readDefault(folder);
  const known = folder === undefined ? [] : readAll(folder);
  const fits = known.filter((ca) =>
    caUrl === undefined
      ? ca.fingerprint === (fingerprint ?? last)
      : httpsUrl(ca.caUrl).href === httpsUrl(caUrl).href,
  );
  const found = fits.find((ca) => ca.fingerprint === last) ?? (fits.length === 1 ? fits[0] : undefined);
  if (found) return { ...found, ...(caUrl === undefined ? {} : { caUrl }) };
  throw new Refusal("CA_NOT_REMEMBERED", describeLack(given, fits.length));
}

function describeLack({ caUrl, fingerprint }: Partial<KnownCa>, count: number): string | undefined {
  if (caUrl !== undefined && count > 1)
    return `More than one CA is remembered for ${caUrl}: say which with --fingerprint.`;
  if (caUrl !== undefined) return `No fingerprint is remembered for ${caUrl}: give it with --fingerprint.`;
  if (fingerprint !== undefined) return "No URL is remembered for that fingerprint: give it with --ca-url.";
  return undefined;
}

/** Relative values are to be ignored (XDG Base Directory Specification). */
function configFolder(env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_CONFIG_HOME: config = "", HOME: home = "" } = env;
  if (config.startsWith("/")) return `${config}/countersign`;
  return home.startsWith("/") ? `${home}/.config/countersign` : undefined;
}

function caFile(folder: string, fingerprint: string): string {
  return `${folder}/cas/${fingerprint}.json`;
}

function defaultFile(folder: string): string {
  return `${folder}/default-ca.json`;
}

function readAll(folder: string): KnownCa[] {
  let names: string[];
  try {
    names = readdirSync(`${folder}/cas`);
  } catch {
    return [];
  }
  const fingerprints = names.flatMap((name) => /^([0-9a-f]{64})\.json$/.exec(name)?.[1] ?? []);
  return fingerprints.flatMap((fingerprint) => readCa(folder, fingerprint) ?? []);
}

/** What cannot be read, or does not say what its name says, is not remembered. */
function readCa(folder: string, fingerprint: string): KnownCa | undefined {
  const read = readTexts(caFile(folder, fingerprint));
  if (read["caUrl"] === undefined || read["fingerprint"] !== fingerprint) return undefined;
  try {
    const caUrl = httpsUrl(read["caUrl"]).href.replace(/\/$/, "");
    return { caUrl, fingerprint: parseFingerprint(fingerprint) };
  } catch {
    return undefined;
  }
}

function readDefault(folder: string): string | undefined {
  return readTexts(defaultFile(folder))["fingerprint"];
}

/** What texts a JSON file holds by name; none when it is no such file. Without zod, which takes longer to load than all else. */
function readTexts(path: string): Partial<Record<string, string>> {
  try {
    const read = JSON.parse(readFileSync(path, "utf8")) as unknown;
    const entries = typeof read === "object" && read !== null ? Object.entries(read) : [];
    return Object.fromEntries(entries.filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}
