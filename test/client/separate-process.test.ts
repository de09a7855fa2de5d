import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { enrolledFiles } from "../support/client-files.ts";
import { blocksOf, page } from "../support/docs.ts";
import { rootFingerprint } from "../support/renewing-client.ts";
import { projectRoot, run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";

const server = sharedServer();

const face = join(projectRoot, "src/client/index.ts");

/** Runs a module in a process of its own, which has to end by itself. Returns what it printed, as JSON. */
async function inProcess(source: string): Promise<unknown> {
  const args = ["--input-type=module", "--eval", source];
  return JSON.parse(await runOk(process.execPath, args, { timeout: 60_000 }));
}

/** Notes whatever is loaded from here on, by `import` or `require`. */
const noting = `
  import { registerHooks } from "node:module";
  const loaded = [];
  registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
`;

test("neither what the server needs is loaded, nor what is not needed yet", async () => {
  const loaded = (await inProcess(`${noting}
    await import(${JSON.stringify(face)});
    console.log(JSON.stringify(loaded));
  `)) as string[];
  const files = loaded.filter((url) => url.startsWith("file:"));
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((url) => /node_modules|src\/(?!client|domain|files|keys|x509)/.test(url))).toEqual([]);
});

test("an agent and a dispatcher that are idle do not keep a process from ending", async () => {
  const { key, cert, ca } = await enrolledFiles(server);
  const printed = await inProcess(`${noting}
    import { get } from "node:https";
    const { createAgent, createDispatcher } = await import(${JSON.stringify(face)});
    const options = { files: ${JSON.stringify({ key, cert, ca })}, caUrl: ${JSON.stringify(server.ca)} };
    const url = ${JSON.stringify(`${server.enforce}/whoami`)};
    const agent = createAgent(options);
    const status = await new Promise((resolve, reject) => {
      get(url, { agent }, (response) => response.resume().on("end", () => resolve(response.statusCode))).on("error", reject);
    });
    const response = await fetch(url, { dispatcher: createDispatcher(options) });
    await response.text();
    const packages = new Set(loaded.flatMap((at) => /node_modules\\/([^/]+)/.exec(at)?.[1] ?? []));
    console.log(JSON.stringify([status, response.status, [...packages]]));
  `);
  expect(printed).toEqual([200, 200, ["undici"]]);
});

test("what docs/node-client.md shows works as it stands there", async () => {
  const workspace = await testWorkspace();
  writeFileSync(workspace.file("root.fingerprint"), `${rootFingerprint(server)}\n`);
  for (const account of ["orders", "other"])
    writeFileSync(workspace.file(`${account}.token`), `${await server.token(account)}\n`, { mode: 0o600 });
  const source = blocksOf(page("docs/node-client.md"))
    .filter(({ info }) => info === "ts")
    .map(({ text }) => text)
    .join("")
    .replaceAll('"countersign/client"', JSON.stringify(face))
    .replaceAll("https://127.0.0.1:8443", server.ca)
    .replaceAll("https://127.0.0.1:9443", server.enforce);
  symlinkSync(join(projectRoot, "node_modules"), workspace.file("node_modules"));
  writeFileSync(workspace.file("client.mts"), source);
  const ran = await run(process.execPath, ["client.mts"], { cwd: workspace.path, timeout: 60_000 });
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout.trim().split("\n").sort()).toEqual(
    [
      "enrolled orders",
      "https.get: 200",
      "fetch: orders",
      "undici: 200",
      "NO_ROUTE 404: There is nothing at this path.",
      "another CA",
    ].sort(),
  );
});
