import { readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { projectRoot, runOk } from "../test/support/run.ts";
import { blocksOf } from "../test/support/docs.ts";
import { cleanEnvironment } from "./issue/countersign.ts";
import { type Started, type Surroundings, start, withSurroundings } from "./processes.ts";

const TIME_LIMIT = 5 * 60_000;
/** What the first call may take, in seconds. */
const GOAL = "10";

interface Part {
  readonly what: string;
  readonly milliseconds: number;
}

/**
 * The time that a newcomer's first call takes: from `npm start` on a fresh clone, with dependencies installed, to the
 * answer to an enrolled certificate, by the commands in README's section "The same with countersign".
 *
 * @param flags `--limit SECONDS`: it fails when it takes longer
 */
export async function benchFirstCall(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const { limit } = parseArgs({
    args: [...flags],
    options: { limit: { type: "string", default: GOAL } },
  }).values;
  return withSurroundings(TIME_LIMIT, async (surroundings) => {
    const clone = await freshClone(surroundings);
    const parts = await firstCall(clone, surroundings);
    const total = parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    if (!(total < Number(limit) * 1000)) {
      throw new Error(`the first call took longer than ${limit} s:\n${describe(parts, total)}`);
    }
    return { text: describe(parts, total), figures: { totalMilliseconds: total, parts } };
  });
}

async function freshClone({ folder, signal }: Surroundings): Promise<string> {
  const clone = join(folder, "countersign");
  await runOk("git", ["clone", "--quiet", projectRoot, clone], { signal });
  symlinkSync(join(projectRoot, "node_modules"), join(clone, "node_modules"));
  return clone;
}

async function firstCall(clone: string, surroundings: Surroundings): Promise<Part[]> {
  const env = newcomersEnvironment(surroundings);
  const parts: Part[] = [];
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const result = await work();
    parts.push({ what, milliseconds: Math.round(performance.now() - begun) });
    return result;
  };
  let server: Started | undefined;
  try {
    const printed = await timed("npm start", async () => {
      server = start(["npm", "start", "--prefix", clone], surroundings.signal, { env, cwd: clone });
      return untilReady(server);
    });
    let answer = "";
    for (const typed of readmeCommands(clone)) {
      const command = withPorts(typed, printed);
      answer = await timed(typed, () =>
        runOk("sh", ["-eu", "-c", command], { cwd: clone, env, signal: surroundings.signal }),
      );
    }
    if (!/^Account: +demo$/m.test(answer)) throw new Error(`the call was answered otherwise: ${answer}`);
    return parts;
  } finally {
    await server?.stop();
  }
}

/** What `npm start` prints, up to its last lines. */
async function untilReady({ child, failed }: Started): Promise<string> {
  let printed = "";
  const ready = new Promise<string>((resolve) => {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed.includes("Then revoke it")) resolve(printed);
    });
  });
  return Promise.race([ready, failed]);
}

/** The lines of README's section, each with the assignments before it. */
function readmeCommands(clone: string): string[] {
  const [, section = ""] = readFileSync(join(clone, "README.md"), "utf8").split(
    "\n## The same with countersign\n",
  );
  const block = blocksOf(section).find(({ info }) => info === "sh");
  const lines = (block?.text ?? "").replaceAll("\\\n", " ").trim().split("\n");
  const commands: string[] = [];
  let before = "";
  for (const line of lines) {
    before += line;
    if (/^\w+=/.test(line)) before += "\n";
    else {
      commands.push(before);
      before = "";
    }
  }
  if (!commands.some((command) => command.includes("countersign enroll")))
    throw new Error("README has no enroll");
  return commands;
}

/** README has the default ports; the server has others, so that it is in nobody's way. */
function withPorts(command: string, printed: string): string {
  const ca = /^CA, for CSRs: +(\S+)$/m.exec(printed)?.[1] ?? "";
  const enforce = /^Calls over mTLS: +(\S+)\/whoami$/m.exec(printed)?.[1] ?? "";
  return command.replaceAll("https://127.0.0.1:8443", ca).replaceAll("https://127.0.0.1:9443", enforce);
}

/** Free ports, nothing remembered from before, nothing compiled before, and this Node where `npm` is looked for. */
function newcomersEnvironment({ folder }: Surroundings): NodeJS.ProcessEnv {
  const env = cleanEnvironment();
  delete env["NODE_COMPILE_CACHE"];
  const listeners = ["CA", "ENFORCE", "PUBLIC", "METRICS"].map((name) => [
    `COUNTERSIGN_${name}_LISTEN`,
    "127.0.0.1:0",
  ]);
  return {
    ...env,
    ...(Object.fromEntries(listeners) as NodeJS.ProcessEnv),
    PATH: [env["PATH"], dirname(process.execPath)].join(delimiter),
    XDG_CONFIG_HOME: join(folder, "config"),
    no_proxy: "127.0.0.1",
  };
}

function describe(parts: readonly Part[], total: number): string {
  const rows = [...parts, { what: "From npm start to the answer", milliseconds: total }];
  return rows
    .map(
      ({ what, milliseconds }) =>
        `${(milliseconds / 1000).toFixed(2).padStart(6)} s  ${what.replace(/^.*\n/s, "")}`,
    )
    .join("\n");
}
