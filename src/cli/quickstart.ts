import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { type Config, type RawConfig, homeDirectory } from "../config.ts";
import { parseSlug } from "../domain/names.ts";
import { HOUR } from "../domain/time.ts";
import { SECRET, writeFileAtomically } from "../files/files.ts";
import { homePaths } from "../home/paths.ts";
import { initHome } from "../home/init.ts";
import { openState, systemRandom } from "../home/open.ts";
import { loadProfiles } from "../home/profiles.ts";
import type { Listening } from "../main.ts";
import { createAccount, noRights } from "../services/accounts.ts";
import { createToken } from "../services/tokens.ts";
import { describeInit } from "./commands/init.ts";
import type { CommonOptions } from "./options.ts";
import { shellWord } from "./shell-word.ts";
import { localMutation } from "./state.ts";

/** Time enough to read on before pasting. */
const DEMO_TTL = HOUR;

/** Makes the home if there is none. */
export async function prepareHome(options: CommonOptions, flags: RawConfig): Promise<void> {
  const home = homeDirectory(options.home, process.env);
  if (existsSync(homePaths(home).config)) return;
  const made = await initHome({
    home,
    flags,
    env: process.env,
    keyType: "ec-p256",
    mutation: localMutation(),
  });
  say(options, `${describeInit(made)}\n`);
}

/** In a home without accounts: makes `demo`, a token for it in a file, and says, once, how to enrol with that. */
export async function offerDemo(config: Config, listening: Listening, options: CommonOptions): Promise<void> {
  const database = await openState(config);
  try {
    if ((await database.accounts.list()).length > 0) {
      say(options, "\nTo enrol another client, make a token: npx countersign token create ACCOUNT");
      return;
    }
    const slug = parseSlug("demo");
    const profile = loadProfiles(homePaths(config.home).profiles).get("client");
    if (!profile) return;
    await createAccount(database, localMutation(), { slug, ...noRights });
    const wanted = { account: slug, profile, ttl: DEMO_TTL };
    const { token } = await createToken(database, localMutation(), systemRandom, wanted);
    const tokenFile = join(homePaths(config.home).secrets, "demo.token");
    writeFileAtomically(tokenFile, `${token}\n`, SECRET);
    say(options, demoLines(config.home, tokenFile, listening));
  } finally {
    await database.close();
  }
}

/** With --json, standard output is for the one line that programs read. */
function say(options: CommonOptions, text: string): void {
  (options.json ? process.stderr : process.stdout).write(`${text}\n`);
}

function demoLines(home: string, tokenFile: string, { ca, enforce }: Listening): string {
  const root = shown(homePaths(home).rootCert);
  const isCheckout = existsSync(join(import.meta.dirname, "..", "..", "scripts"));
  const revoke = isCheckout ? "npx node scripts/revoke.ts" : "npx countersign revoke";
  const atHome = home === homeDirectory(undefined, {}) ? "" : ` --home ${shown(home)}`;
  return `
An account 'demo' was made, with an enrolment token that works once within the hour.
Paste this into another terminal, here. The key that it makes never leaves your machine:

  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout demo.key -out demo.csr
  printf 'Authorization: Bearer %s' "$(cat ${shown(tokenFile)})" | curl -sS --fail-with-body --cacert ${root} \\
    -H @- -H 'Content-Type: application/pkcs10' -H 'Accept: application/pem-certificate-chain' \\
    --data-binary @demo.csr -o demo.crt ${ca}/v1/certificates || cat demo.crt
  curl -sS --cacert ${root} --cert demo.crt --key demo.key ${enforce}/whoami

Then revoke it, and call again:

  ${revoke} demo.crt --reason keyCompromise${atHome}
  curl -sS --cacert ${root} --cert demo.crt --key demo.key ${enforce}/whoami
`;
}

/** A path as a shell takes it: relative where that is shorter, quoted where it must be. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  const text = near.startsWith("..") ? path : near;
  return shellWord(text);
}
