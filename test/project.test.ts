import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ESLint } from "eslint";
import { describe, expect, onTestFinished, test } from "vitest";
import { projectRoot, run } from "./support/run.ts";
import { testWorkspace } from "./support/workspace.ts";

const eslint = new ESLint({ cwd: projectRoot });

describe("the layer rule: an import against the direction fails lint", () => {
  test.each([
    ["domain", "../services/accounts.ts"],
    ["domain", "node:fs"],
    ["domain", "express"],
    ["services", "../storage/database.ts"],
    ["services", "../x509/codec.ts"],
    ["services", "../http/errors.ts"],
    ["services", "knex"],
    ["x509", "../services/crl.ts"],
    ["storage", "../enforce/enforcer.ts"],
    ["enforce", "../storage/database.ts"],
    ["enforce", "../http/errors.ts"],
    ["enforce", "express"],
    ["http", "../enforce/enforcer.ts"],
    ["http", "../cli/state.ts"],
    ["home", "../main.ts"],
    ["client", "../enforce/enforcer.ts"],
    ["keys", "@peculiar/x509"],
    ["storage", "node-forge"],
  ])("%s ← %s", async (layer, module) => {
    expect(await rulesBroken(layer, `import "${module}";\n`)).toContain("no-restricted-imports");
  });

  test.each([
    ["services", "../domain/errors.ts"],
    ["enforce", "../services/crl.ts"],
    ["http", "../domain/errors.ts"],
    ["x509", "../domain/errors.ts"],
  ])("%s ← %s is allowed", async (layer, module) => {
    expect(await rulesBroken(layer, `import "${module}";\n`)).not.toContain("no-restricted-imports");
  });

  test("no clock of its own below the wiring", async () => {
    expect(await rulesBroken("domain", "export const now = Date.now();\n")).toContain("no-restricted-syntax");
    expect(await rulesBroken("services", "export const now = new Date();\n")).toContain(
      "no-restricted-syntax",
    );
  });
});

async function rulesBroken(layer: string, code: string): Promise<(string | null)[]> {
  const file = join(projectRoot, "src", layer, `lint-probe-${String(process.pid)}.ts`);
  writeFileSync(file, code); // typed rules want a file that is there
  onTestFinished(() => rm(file, { force: true }));
  const [result] = await eslint.lintFiles([file]);
  return (result?.messages ?? []).map(({ ruleId }) => ruleId);
}

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

  test("nor packed for npm", () => {
    const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
      files: string[];
    };
    expect(manifest.files).toEqual(expect.arrayContaining(["bin", "dist", "ca/profiles/*.json"]));
    expect(manifest.files.filter((each) => /^(\.|ca\/?|ca\/\*+|src|scripts)$/.test(each))).toEqual([]);
  });
});

describe("a skipped test", () => {
  test.each([
    ["where CI is set, is a failure", "true", 1],
    ["elsewhere is not", "", 0],
  ])("%s", async (_name, CI, code) => {
    const workspace = await testWorkspace();
    writeFileSync(
      workspace.file("skips.test.js"),
      "test('runs', () => {});\ntest.skip('is skipped', () => {});\n",
    );
    const reporter = join(projectRoot, "test/support/closing-line.ts");
    const args = ["run", "--root", workspace.path, "--globals", "--reporter", reporter];
    const vitest = join(projectRoot, "node_modules/vitest/vitest.mjs");
    const ran = await run(process.execPath, [vitest, ...args], { env: { ...process.env, CI } });
    expect(ran.stdout).toContain("1 passed, 0 failed, 1 skipped\n");
    expect(ran.code).toBe(code);
  });
});
