import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { commandNodes } from "../../src/cli/completion/tree.ts";
import { countersign } from "../../src/cli/run.ts";
import { command } from "../support/command.ts";
import { requireProgram } from "../support/judges.ts";
import { projectRoot, runOk } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await makeWorkspace();
  for (const name of ["client.crt", "client 2.crt"]) writeFileSync(workspace.file(name), "");
  mkdirSync(workspace.file("clients"));
  for (const shell of Object.keys(shells)) {
    const { stdout } = await command(["completion", shell]);
    writeFileSync(workspace.file(`completion.${shell}`), stdout);
  }
  return () => workspace.remove();
});

/** What each shell offers at the end of each of these lines, sorted; all are asked in one process. */
const shells: Readonly<Record<string, (lines: readonly string[]) => Promise<string[][]>>> = {
  async bash(lines) {
    const program = `
      source completion.bash
      for line in "$@"; do
        read -r -a COMP_WORDS <<< "$line"
        if [[ $line == *" " ]]; then COMP_WORDS+=(""); fi
        COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
        _countersign
        printf '%s\\n' "\${COMPREPLY[@]}" '#end'
      done`;
    return sections(
      await runOk("bash", ["--norc", "-c", program, "bash", ...lines], { cwd: workspace.path }),
    );
  },
  async zsh(lines) {
    const driver = join(projectRoot, "test/support/zsh-completions.zsh");
    const args = ["-f", driver, workspace.file("completion.zsh"), ...lines];
    return sections(await runOk("zsh", args, { cwd: workspace.path }));
  },
  async fish(lines) {
    const program = "source completion.fish; for line in $argv; complete -C $line; echo '#end'; end";
    const env = { ...process.env, HOME: workspace.path };
    return sections(await runOk("fish", ["-N", "-c", program, ...lines], { cwd: workspace.path, env }));
  },
};

/** fish has descriptions after a tab, and a slash after folders; zsh quotes spaces, and may name a thing twice. */
function sections(printed: string): string[][] {
  return printed
    .split("#end\n")
    .slice(0, -1)
    .map((part) =>
      part.split("\n").map((line) => line.replace(/\t.*/, "").replace(/\/$/, "").replaceAll("\\ ", " ")),
    )
    .map((lines) => [...new Set(lines.filter((line) => line !== ""))].sort());
}

const wanted: Readonly<Record<string, readonly string[]>> = {
  "countersign acc": ["account"],
  "countersign token ": ["create", "list", "revoke", "show"],
  "countersign issuer re": ["retire"],
  "countersign revoke --rea": ["--reason"],
  "countersign enroll --key-type ec": ["ec-p256", "ec-p384"],
  "countersign token create acme --key-type ec": ["ec-p256", "ec-p384"],
  "countersign renew --signal U": ["USR1", "USR2"],
  "countersign list --account acme --status a": ["active"],
  "countersign completion ": ["bash", "fish", "zsh"],
  "countersign show cli": ["client 2.crt", "client.crt", "clients"],
  "countersign revoke client.crt cli": ["client 2.crt", "client.crt", "clients"],
  "countersign whoami --cert cli": ["client 2.crt", "client.crt", "clients"],
  "countersign crl publish --out cli": ["clients"],
  "countersign crl publish --due --out cli": ["clients"],
  "countersign sign --account account cli": ["client 2.crt", "client.crt", "clients"],
  "countersign whoami cli": [],
  "countersign token create cli": [],
  "countersign token create --ttl cli": [],
};

test.for(Object.keys(shells))(
  "%s completes commands, options, choices, files and folders",
  async (shell, context) => {
    requireProgram(context, shell);
    const lines = Object.keys(wanted);
    const offered = await shells[shell]?.(lines);
    expect(Object.fromEntries(lines.map((line, index) => [line, offered?.[index]]))).toEqual(wanted);
  },
);

test("bash is offered every command and every option that there is", async () => {
  const nodes = commandNodes(countersign());
  expect(nodes.length).toBeGreaterThan(40);
  const lines = nodes.flatMap(({ path }) => [`countersign ${path} `, `countersign ${path} --`]);
  const offered = (await shells["bash"]?.(lines.map((line) => line.replace("  ", " ")))) ?? [];
  for (const [index, { path, commands, options }] of nodes.entries()) {
    if (commands.length > 0)
      expect(offered[2 * index], path).toEqual(commands.map(({ name }) => name).sort());
    expect(offered[2 * index + 1], path).toEqual(options.map(({ name }) => name).sort());
  }
});

test("another shell is refused", async () => {
  expect(await command(["completion", "csh"])).toMatchObject({ code: 2, stdout: "" });
});
