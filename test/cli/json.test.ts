import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { beforeAll, expect, test } from "vitest";
import { countersign } from "../../src/cli/run.ts";
import { freshRequest } from "../support/client.ts";
import { command } from "../support/command.ts";
import { freshHome } from "../support/fresh-home.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await makeWorkspace();
  await freshHome(workspace.file("home"));
  for (const name of ["first", "second"]) {
    const { csr } = await freshRequest();
    writeFileSync(workspace.file(`${name}.csr`), csr);
  }
  return () => workspace.remove();
});

/** Those that do something, with their names from the program on. */
function leaves(parent: Command, path: readonly string[] = []): [string, Command][] {
  return parent.commands.flatMap((each): [string, Command][] => {
    const name = [...path, each.name()];
    return each.commands.length > 0 ? leaves(each, name) : [[name.join(" "), each]];
  });
}

const all = leaves(countersign());

test.each(all)("%s has --json and --help", (_name, leaf) => {
  expect(leaf.options.map(({ long }) => long)).toContain("--json");
  expect(leaf.helpInformation()).toContain("--json");
});

test("there are commands", () => {
  expect(all.length).toBeGreaterThan(40);
});

/** In an order in which each can be done. */
const runs: readonly (readonly string[])[] = [
  ["account", "create", "acme", "--scopes", "orders:read"],
  ["account", "update", "acme", "--rate", "100/1m"],
  ["account", "list"],
  ["account", "show", "acme"],
  ["account", "suspend", "acme"],
  ["account", "resume", "acme"],
  ["token", "create", "acme"],
  ["token", "list"],
  ["sign", "FILE:first.csr", "--account", "acme", "--out", "FILE:first.crt"],
  ["sign", "FILE:second.csr", "--account", "acme", "--out", "FILE:second.crt"],
  ["list"],
  ["list", "--expiring", "7d"],
  ["show", "FILE:first.crt"],
  ["why", "FILE:first.crt"],
  ["credential", "update", "FILE:first.crt", "--rate", "10/1m"],
  ["suspend", "FILE:first.crt"],
  ["resume", "FILE:first.crt"],
  ["revoke", "FILE:first.crt"],
  ["account", "revoke-all", "acme"],
  ["key", "block", "FILE:first.csr", "--because", "leaked"],
  ["key", "list"],
  ["profile", "list"],
  ["profile", "show", "client"],
  ["profile", "check"],
  ["issuer", "list"],
  ["issuer", "show", "default"],
  ["crl", "publish"],
  ["completion", "fish"],
];

test("what --json prints is JSON, in one line", async () => {
  for (const words of runs) {
    const args = words.map((word) => word.replace(/^FILE:/, `${workspace.path}/`));
    const home = words[0] === "completion" ? [] : ["--home", workspace.file("home")];
    const { code, stdout, stderr } = await command([...args, ...home, "--json"]);
    expect({ code, stderr }, words.join(" ")).toEqual({ code: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n"), words.join(" ")).toHaveLength(1);
    expect(JSON.parse(stdout), words.join(" ")).toBeTypeOf("object");
  }
});
