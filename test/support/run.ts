import { type SpawnOptionsWithoutStdio, spawn } from "node:child_process";
import { join } from "node:path";

export const projectRoot = join(import.meta.dirname, "..", "..");

/** Debian has its servers where not everybody's PATH leads. */
export const withServers: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin`,
};

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end without a shell; does not throw when it fails. */
export function run(
  program: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio & { readonly input?: string | Uint8Array } = {},
): Promise<Ran> {
  const { input, ...rest } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, rest);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => undefined); // it may end without reading
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code, stdout, stderr });
    });
    child.stdin.end(input);
  });
}

/** Runs a program that must succeed; returns its standard output. */
export async function runOk(...args: Parameters<typeof run>): Promise<string> {
  const ran = await run(...args);
  if (ran.code !== 0)
    throw new Error(`${args[0]} ${args[1].join(" ")} exited ${String(ran.code)}: ${ran.stderr}`);
  return ran.stdout;
}

/** Runs the command line from source, in a process of its own. */
export function countersign(args: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Ran> {
  return run(process.execPath, [join(projectRoot, "src/cli/main.ts"), ...args], options);
}

/** Runs `scripts/NAME.ts` in a process of its own. */
export function script(name: string, args: readonly string[]): Promise<Ran> {
  return run(process.execPath, [join(projectRoot, "scripts", `${name}.ts`), ...args]);
}
