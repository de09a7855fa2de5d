import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { table } from "../../src/cli/output.ts";
import { admin } from "../support/command.ts";
import { freshHome } from "../support/fresh-home.ts";
import { requireProgram } from "../support/judges.ts";
import { type Ran, projectRoot, run } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await makeWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  for (const account of ["acme", "umbrella"]) await admin(home, "account", "create", account);
  await admin(home, "account", "suspend", "umbrella");
  return () => workspace.remove();
});

const words = (): string[] => ["account", "list", "--home", workspace.file("home")];
const main = join(projectRoot, "src/cli/main.ts");

function environment(changes: Record<string, string>): NodeJS.ProcessEnv {
  // Node takes a terminal in CI for one without colours.
  const telling = ["FORCE_COLOR", "NO_COLOR", "CI"];
  const own = Object.entries(process.env).filter(([name]) => !telling.includes(name));
  return { ...Object.fromEntries(own), TERM: "xterm-256color", ...changes };
}

const piped = (changes: Record<string, string> = {}, ...more: string[]): Promise<Ran> =>
  run(process.execPath, [main, ...words(), ...more], { env: environment(changes) });

/** Under script(1), standard output is a terminal. */
async function onTerminal(changes: Record<string, string> = {}, ...more: string[]): Promise<string> {
  const line = [process.execPath, main, ...words(), ...more].join(" ");
  const ran = await run("script", ["-qec", line, "/dev/null"], { env: environment(changes) });
  return ran.stdout.replaceAll("\r\n", "\n");
}

// eslint-disable-next-line no-control-regex -- they are what is looked for
const withoutColours = (text: string): string => text.replace(/\u001b\[\d+m/g, "");

test("a table has colours on a terminal, and is the same without them in a pipe", async (context) => {
  requireProgram(context, "script", "bsdutils");
  const [shown, { stdout }] = [await onTerminal(), await piped()];
  expect(stdout).toMatch(/^ACCOUNT {3}STATUS {4} *SCOPES/);
  expect(withoutColours(shown)).toBe(stdout);
  expect(shown).toContain("\u001b[1mACCOUNT\u001b[0m   \u001b[1mSTATUS\u001b[0m   ");
  expect(shown).toContain("\u001b[32mactive\u001b[0m ");
  expect(shown).toContain("\u001b[33msuspended\u001b[0m ");
});

test.for([{ NO_COLOR: "1" }, { TERM: "dumb" }, { FORCE_COLOR: "0" }])(
  "none on a terminal with %o",
  async (changes, context) => {
    requireProgram(context, "script", "bsdutils");
    expect(await onTerminal(changes)).toBe((await piped()).stdout);
  },
);

test("none in a pipe, even when colours are forced, and none in JSON", async (context) => {
  requireProgram(context, "script", "bsdutils");
  expect((await piped({ FORCE_COLOR: "1" })).stdout).toBe((await piped()).stdout);
  expect(await onTerminal({}, "--json")).toBe((await piped({}, "--json")).stdout);
});

test("a status at the end of a line, and one that is qualified", () => {
  const shown = table(
    ["NAME", "STATUS"],
    [
      ["a", "revoked"],
      ["b", "active, near its end"],
      ["c", "odd"],
    ],
    true,
  );
  expect(shown.split("\n").slice(1)).toEqual([
    `a     \u001b[31mrevoked\u001b[0m`,
    "b     \u001b[33mactive, near its end\u001b[0m",
    "c     odd",
  ]);
});
