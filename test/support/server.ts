import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { openState, systemClock, systemRandom } from "../../src/home/open.ts";
import { loadProfiles } from "../../src/home/profiles.ts";
import type { Listening } from "../../src/main.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { DEFAULT_TTL, createToken } from "../../src/services/tokens.ts";
import { admin as adminHere } from "./command.ts";
import { freshHome, initHome } from "./fresh-home.ts";
import { countersign, projectRoot } from "./run.ts";
import { type Workspace, makeWorkspace } from "./workspace.ts";

/** A real `serve` in a process of its own, on free ports, with a home of its own. */
export interface TestServer extends Listening {
  readonly workspace: Workspace;
  readonly root: string;
  readonly process: ChildProcess;
  /** Everything it wrote to standard error: its log. */
  log(): string;
  /** Makes an account and returns a token for it. */
  token(account: string, ...args: string[]): Promise<string>;
  /** Runs an admin command in the tests' process; throws unless it exits 0; returns its JSON. */
  admin(...args: string[]): Promise<Record<string, unknown>>;
  /** SIGTERM, and wait. Returns the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL, and wait. */
  kill(): Promise<void>;
}

const freePorts = ["ca", "enforce", "public", "metrics"].flatMap((name) => [
  `--${name}-listen`,
  "127.0.0.1:0",
]);

/**
 * Makes a home and serves it. Call `stop()` after the tests.
 *
 * @param options.init what `init` is told; with it, or with variables, the CA is the home's own, as it is with `[]`
 */
export async function startTestServer(
  options: { init?: readonly string[]; serve?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<TestServer> {
  const workspace = await makeWorkspace();
  const home = workspace.file("home");
  const isOwn = options.init !== undefined || options.env !== undefined;
  if (isOwn) await initHome(home, options.init, { ...process.env, ...options.env });
  else await freshHome(home);
  return serveHome(workspace, options);
}

/** One server for all tests of a file (or of a `describe`): what is returned is filled in before the first of them. */
export function sharedServer(options: Parameters<typeof startTestServer>[0] = {}): TestServer {
  const shared = {} as TestServer;
  beforeAll(async () => {
    Object.assign(shared, await startTestServer(options));
  });
  afterAll(async () => {
    await shared.stop();
    await shared.workspace.remove();
  });
  return shared;
}

/** Serves the initialised home `home` of a workspace. */
export async function serveHome(
  workspace: Workspace,
  options: { serve?: readonly string[]; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<TestServer> {
  const home = workspace.file("home");
  const env = { ...process.env, ...options.env };
  const main = join(projectRoot, "src/cli/main.ts");
  const child = spawn(
    process.execPath,
    [main, "serve", "--json", "--home", home, ...freePorts, ...(options.serve ?? [])],
    {
      env,
      cwd: options.cwd,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = once(child, "exit") as Promise<[number | null]>;
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    ended.then(([code]) => {
      throw new Error(`serve exited ${String(code)} before it listened: ${log}`);
    }),
  ]);
  const listening = JSON.parse(line) as Listening;

  const admin = async (...args: string[]): Promise<Record<string, unknown>> => {
    if (!options.env) return adminHere(home, ...args);
    const ran = await countersign([...args, "--home", home, "--json"], { env });
    if (ran.code !== 0) throw new Error(`${args.join(" ")} exited ${String(ran.code)}: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as Record<string, unknown>;
  };
  return {
    ...listening,
    workspace,
    root: join(home, "certs", "root.crt"),
    process: child,
    log: () => log,
    admin,
    async token(account, ...args) {
      if (args.length === 0) return tokenOf(home, env, account);
      await admin("account", "create", account).catch(() => undefined);
      return String((await admin("token", "create", account, ...args))["token"]);
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await ended;
      return code;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** What `account create` and `token create` would do, without their processes. */
async function tokenOf(home: string, env: NodeJS.ProcessEnv, account: string): Promise<string> {
  const database = await openState(resolveConfig(home, {}, env, readConfigFile(home)));
  try {
    const mutation = { clock: systemClock, actor: "test" };
    const slug = parseSlug(account);
    if (!(await database.accounts.bySlug(slug)))
      await createAccount(database, mutation, { slug, ...noRights });
    const profile = loadProfiles(join(home, "profiles")).get("client");
    if (!profile) throw new Error("no client profile");
    const wanted = { account: slug, profile, ttl: DEFAULT_TTL };
    return (await createToken(database, mutation, systemRandom, wanted)).token;
  } finally {
    await database.close();
  }
}
