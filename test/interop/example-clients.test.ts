import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { issuedTo } from "../support/client-files.ts";
import { blocksOf, page } from "../support/docs.ts";
import { exampleScene } from "../support/example-client.ts";
import { projectRoot, runOk } from "../support/run.ts";

const scene = exampleScene();

/** What runs each; a command that succeeds where it can be run; and the Debian packages that it takes. */
const clients = [
  { name: "curl", interpreter: "sh", source: "client.sh", tried: ["curl", "--version"], packages: "curl" },
  {
    name: "python",
    interpreter: "python3",
    source: "client.py",
    tried: ["python3", "-V"],
    packages: "python3",
  },
  { name: "ruby", interpreter: "ruby", source: "client.rb", tried: ["ruby", "-v"], packages: "ruby" },
  {
    name: "php",
    interpreter: "php",
    source: "client.php",
    tried: ["php", "--ri", "curl"],
    packages: "php-cli php-curl",
  },
] as const;

test.concurrent.for(clients)("$name", async ({ name, interpreter, source, tried, packages }, { skip }) => {
  const [command, ...args] = tried;
  if (spawnSync(command, args).status !== 0) skip(`it cannot run here: install Debian's ${packages}`);
  await scene.play({ name, program: [interpreter, join(projectRoot, "examples/clients", name, source)] });
});

const readme = "examples/clients/README.md";

test("README lists each of them, and says which ran here", () => {
  const rows = page(readme)
    .split("\n")
    .filter((line) => line.startsWith("| "));
  const said = new Map(
    rows.slice(2).map((row) => {
      const [folder = "", , , ran = ""] = row.slice(2).split(/ *\| */);
      return [/^\[(.*)\]/.exec(folder)?.[1] ?? folder, ran] as const;
    }),
  );
  const folders = readdirSync(join(projectRoot, "examples/clients"), { withFileTypes: true });
  for (const entry of folders) if (entry.isDirectory()) expect([...said.keys()]).toContain(entry.name);
  const ran = [...clients.map(({ name }) => name), "go", "java"]; // the last two in example-clients-compiled
  for (const name of ran) expect(said.get(name)).toMatch(/^yes: /);
  expect(said.get("csharp")).toMatch(/^no: /);
});

test("what README has pasted works", async () => {
  const { server } = scene;
  const checkout = server.workspace.file("checkout");
  mkdirSync(checkout);
  symlinkSync(server.home, join(checkout, "ca"));
  for (const name of ["package.json", "bin", "src", "node_modules", "examples"])
    symlinkSync(join(projectRoot, name), join(checkout, name));
  await server.token("demo"); // and the account
  for (const { text } of blocksOf(page(readme)).filter(({ info }) => info === "sh")) {
    const commands = text
      .replaceAll("npx countersign", "bin/countersign")
      .replaceAll("https://127.0.0.1:8443", server.ca);
    await runOk("sh", ["-eu", "-c", commands], { cwd: checkout });
  }
  expect(issuedTo(server.home, "demo")).toHaveLength(2);
});
