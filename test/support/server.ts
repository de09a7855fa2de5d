import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll } from "vitest";
import type { Listening } from "../../src/main.ts";
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
  /** Runs an admin command in another process; throws unless it exits 0; returns its JSON. */
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

/** Initialises a home and serves it. Call `stop()` after the tests. */
export async function startTestServer(
  options: { init?: readonly string[]; serve?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<TestServer> {
  const workspace = await makeWorkspace();
  const home = workspace.file("home");
  const env = { ...process.env, ...options.env };
  const made = await countersign(["init", "--home", home, ...(options.init ?? [])], { env });
  if (made.code !== 0) throw new Error(`init failed: ${made.stderr}`);
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
    const ran = await countersign([...args, "--home", home, "--json"], { env });
    if (ran.code !== 0) throw new Error(`${args.join(" ")} exited ${String(ran.code)}: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as Record<string, unknown>;
  };
  const accounts = new Set<string>();
  return {
    ...listening,
    workspace,
    root: join(home, "certs", "root.crt"),
    process: child,
    log: () => log,
    admin,
    async token(account, ...args) {
      if (!accounts.has(account)) await admin("account", "create", account).catch(() => undefined);
      accounts.add(account);
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
