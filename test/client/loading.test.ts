import { join } from "node:path";
import { expect, test } from "vitest";
import { enrolledFiles } from "../support/client-files.ts";
import { projectRoot, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

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
