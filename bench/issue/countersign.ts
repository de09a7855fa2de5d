import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hashToken, makeToken } from "../../src/domain/token.ts";
import { projectRoot, runOk } from "../../test/support/run.ts";
import { type Surroundings, firstLine, start } from "../processes.ts";
import type { Target } from "./measure.ts";

const ACCOUNT = "bench";
const DAY = 24 * 60 * 60 * 1000;
/** As it is run in earnest: with the flags that this gives to Node. */
export const bin = join(projectRoot, "bin/countersign");

/** Makes a home with that many tokens. */
export async function makeHome(
  { folder, signal }: Surroundings,
  issuerType: string,
  tokenCount: number,
): Promise<{ readonly home: string; readonly tokens: string[] }> {
  const home = await mkdtemp(join(folder, "home-"));
  const countersign = (...args: string[]): Promise<string> =>
    runOk(bin, [...args, "--home", home], { env: cleanEnvironment(), signal });
  await countersign("init", "--key-type", issuerType);
  await countersign("account", "create", ACCOUNT);
  return { home, tokens: insertTokens(home, tokenCount) };
}

/** Lends a real `serve` in a new home, with that many tokens. */
export async function withCountersign<T>(
  surroundings: Surroundings,
  issuerType: string,
  tokenCount: number,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const { home, tokens } = await makeHome(surroundings, issuerType, tokenCount);
  const ca = readFileSync(join(home, "certs", "root.crt"), "latin1");
  return serving(surroundings, home, ({ ca: url }, pid) =>
    use({ pid, url, ca, dialect: "countersign", tokens }),
  );
}

export interface ListenerUrls {
  readonly ca: string;
  readonly enforce: string;
  readonly public: string;
}

/** Serves a home; the URLs are its listeners'. */
export async function serving<T>(
  { pinning, signal }: Surroundings,
  home: string,
  use: (urls: ListenerUrls, pid: number) => Promise<T>,
): Promise<T> {
  const listeners = ["ca", "enforce", "public", "metrics"].flatMap((name) => [
    `--${name}-listen`,
    "127.0.0.1:0",
  ]);
  const command = [...pinning.server, bin, "serve", "--json", "--home", home, ...listeners];
  const server = start(command, signal, { env: cleanEnvironment() });
  try {
    return await use(JSON.parse(await firstLine(server)) as ListenerUrls, server.pid);
  } finally {
    await server.stop();
  }
}

/** Without what would make it another server than the one meant, such as COUNTERSIGN_DATABASE_URL. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("COUNTERSIGN_")));
}

/** The command line makes two tokens a second; this is for tens of thousands. The server isn't running yet. */
function insertTokens(home: string, count: number): string[] {
  const database = new DatabaseSync(join(home, "countersign.sqlite"));
  try {
    const account = database.prepare("SELECT id FROM accounts WHERE slug = ?").get(ACCOUNT);
    const accountId = Number(account?.["id"]);
    const insert = database.prepare(
      `INSERT INTO tokens (id, hash, account_id, profile, scopes, created_at, expires_at)
        VALUES (?, ?, ?, 'client', NULL, ?, ?)`,
    );
    const now = Date.now();
    database.exec("BEGIN");
    const tokens = Array.from({ length: count }, () => {
      const token = makeToken(randomBytes);
      insert.run(randomBytes(6).toString("hex"), hashToken(token), accountId, now, now + DAY);
      return token;
    });
    database.exec("COMMIT");
    return tokens;
  } finally {
    database.close();
  }
}
