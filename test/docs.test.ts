import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { limitVariable, listenerNames, resolveConfig } from "../src/config.ts";
import { errorTable } from "../src/domain/errors.ts";
import { defaultLimits, limitNames } from "../src/domain/limits.ts";
import { call, enrolled } from "./support/client.ts";
import { blocksOf, page } from "./support/docs.ts";
import { command } from "./support/command.ts";
import { freshHome } from "./support/fresh-home.ts";
import { countersign, projectRoot, run, runOk } from "./support/run.ts";
import { type TestServer, serveHome } from "./support/server.ts";
import { type Workspace, testWorkspace } from "./support/workspace.ts";

const pages = ["README.md", ...globSync("docs/*.md", { cwd: projectRoot }).sort()];
const allPages = [
  ...pages,
  "SECURITY.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "ca/README.md",
  "examples/clients/README.md",
];

function tableRows(markdown: string): string[][] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split("|")
        .map((cell) => cell.trim()),
    );
}

/**
 * A folder that looks like a checkout in which `npm start` runs, with the ports that it got.
 *
 * @param isFirst whether that makes the home, or finds one that has no account yet
 */
async function checkout(isFirst: boolean): Promise<{ workspace: Workspace; server: TestServer }> {
  const workspace = await testWorkspace();
  if (!isFirst) await freshHome(workspace.file("ca"));
  for (const name of ["package.json", "bin", "scripts", "src", "node_modules"]) {
    await symlink(join(projectRoot, name), workspace.file(name));
  }
  const server = await serveHome(workspace, {
    cwd: workspace.path,
    serve: ["--quickstart", "--home", workspace.file("ca")],
  });
  onTestFinished(async () => {
    await server.stop();
  });
  await expect.poll(() => server.log()).toContain("Then revoke it");
  return { workspace, server };
}

function withPorts(text: string, server: TestServer): string {
  return text
    .replaceAll("https://127.0.0.1:8443", server.ca)
    .replaceAll("https://127.0.0.1:9443", server.enforce)
    .replaceAll("http://127.0.0.1:8080", server.public)
    .replaceAll("http://127.0.0.1:9090", server.metrics);
}

/** A reader's own shell: nothing of npm's, the checkout's programs not on the PATH, and nothing to be downloaded. */
function readersEnvironment(workspace: Workspace): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|COUNTERSIGN_|INIT_CWD)/.test(name));
  const path = (process.env["PATH"] ?? "").split(":").filter((entry) => !entry.includes("node_modules"));
  return {
    ...Object.fromEntries(kept),
    PATH: path.join(":"),
    XDG_CONFIG_HOME: workspace.file("config"),
    no_proxy: "127.0.0.1",
    npm_config_offline: "true",
  };
}

const direct = "bin/countersign";

/** What is shown, with `…` for whatever varies. */
function pattern(shown: string): RegExp {
  const literal = shown.trim().replace(/[$()*+.?[\\\]^{|}]/g, "\\$&");
  return new RegExp(`^${literal.replaceAll("…", "[\\s\\S]*?")}$`);
}

describe("the commands on a page work as pasted, and print what is shown", () => {
  const withCommands = pages.filter((name) => blocksOf(page(name)).some(({ info }) => info.startsWith("sh")));

  test.each(withCommands)("%s", { timeout: 300_000 }, async (name) => {
    const { workspace, server } = await checkout(name === "README.md");
    const env = readersEnvironment(workspace);
    for (const { info, text, shown } of blocksOf(page(name))) {
      if (info !== "sh" && info !== "sh fails") continue;
      // npx takes most of a second each time: README shows that it works, the other pages need not.
      const commands = name === "README.md" ? text : text.replaceAll("npx countersign", direct);
      const ran = await run("sh", ["-eu", "-c", withPorts(commands, server)], { cwd: workspace.path, env });
      const fails = info === "sh fails";
      expect(ran.code === 0, `${text}\n${ran.stdout}\n${ran.stderr}`).toBe(!fails);
      const printed = fails ? ran.stdout + ran.stderr : ran.stdout;
      if (shown !== undefined) expect(printed.trim(), text).toMatch(pattern(withPorts(shown, server)));
    }
  });

  test("README, enrolment and renewal, read in one folder, write over nothing of each other's", () => {
    const made = ["README.md", "docs/enrolment.md", "docs/renewal.md"].flatMap((name) => {
      const commands = blocksOf(page(name)).flatMap(({ info, text }) =>
        info === "sh" ? text.replaceAll("\\\n", "").split("\n") : [],
      );
      const enrolling = commands.filter((line) => / enroll (?!.*--dry-run)/.test(line));
      return enrolling.map((line) =>
        ["key", "cert"].map((one) => new RegExp(`--${one} (\\S+)`).exec(line)?.[1] ?? one),
      );
    });
    expect(made.length).toBe(3);
    expect(new Set(made.flat()).size).toBe(6);
  });

  test("README's first commands are those that `serve --quickstart` prints", async () => {
    const { workspace, server } = await checkout(true);
    const printed = server.log().replaceAll(workspace.file("ca"), "ca");
    const [enrol, revoke] = blocksOf(page("README.md")).filter(({ info }) => info === "sh");
    for (const line of `${enrol?.text ?? ""}${revoke?.text ?? ""}`.trim().split("\n")) {
      expect(printed).toContain(`  ${withPorts(line, server)}\n`);
    }
  });

  test("the servers in docs/enforcement.md let their own CA's client in, and nobody else", async () => {
    const { workspace, server } = await checkout(false);
    const examples = blocksOf(page("docs/enforcement.md")).filter(({ info }) => info === "ts");
    const example = examples.map(({ text }) => text).join("");
    const source = example.replaceAll('"countersign"', '"./src/index.ts"').replaceAll(/\b944[4-7]\b/g, "0");
    const tellPorts = `const servers = [server, webServer, app.server, both];
        while (!servers.every(({ listening }) => listening)) await new Promise(setImmediate);
        console.log(JSON.stringify(servers.map((each) => each.address().port)));\n`;
    await writeFile(workspace.file("service.ts"), source + tellPorts);
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    const files = ["-keyout", "service.key", "-out", "service.crt"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    await runOk("openssl", ["req", "-x509", ...key, ...subject, ...files], { cwd: workspace.path });

    const home = workspace.file("ca");
    const token = readFileSync(join(home, "secrets", "demo.token"), "utf8").trim();
    const client = await enrolled({ ca: server.ca, root: join(home, "certs", "root.crt") }, token);

    const service = spawn(process.execPath, ["service.ts"], { cwd: workspace.path });
    onTestFinished(() => void service.kill("SIGKILL"));
    let errors = "";
    service.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const ports = await Promise.race([
      once(service.stdout, "data").then(([bytes]) => JSON.parse(String(bytes)) as number[]),
      once(service, "exit").then(() => {
        throw new Error(errors);
      }),
    ]);
    const ca = readFileSync(workspace.file("service.crt"));
    const known = { ca, cert: client.cert, key: client.key };
    const told = async (port: number, path: string, tls: object): Promise<unknown[]> => {
      const { status, json, text } = await call(`https://127.0.0.1:${String(port)}${path}`, { tls });
      return [status, json["code"] ?? text];
    };
    for (const port of ports) {
      expect(await told(port, "/", known)).toEqual([
        200,
        expect.stringMatching(/^hello demo( over HTTP\/1.1)?\n$/),
      ]);
      expect(await told(port, "/", { ca })).toEqual([401, "CERT_REQUIRED"]);
    }
    for (const port of ports.slice(1, 3)) {
      expect(await told(port, "/healthz", { ca })).toEqual([200, "ok\n"]);
      expect(await told(port, "/orders", known)).toEqual([403, "SCOPE_MISSING"]);
    }
    const chat = new WebSocket(`wss://127.0.0.1:${String(ports[3])}/chat`, known);
    expect(String((await once(chat, "message"))[0])).toBe("hello demo");
    chat.terminate();
  });
});

test("docs/errors.md has every code, with its status and sentence", () => {
  const rows = tableRows(page("docs/errors.md")).filter(([code]) => code?.startsWith("`"));
  const documented = rows.map(([code, status, sentence]) => [code?.slice(1, -1), Number(status), sentence]);
  expect(documented).toEqual(Object.entries(errorTable).map(([code, entry]) => [code, ...entry]));
});

test.each(allPages)("the relative links of %s lead somewhere", (name) => {
  for (const [, target = ""] of page(name).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? name : join(dirname(name), path);
    expect(existsSync(resolve(projectRoot, file)), target).toBe(true);
    if (anchor === undefined) continue;
    const headings = [...page(file).matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) =>
      text
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replace(/\s/g, "-"),
    );
    expect(headings, target).toContain(anchor);
  }
});

describe("docs/cli.md and --help agree", () => {
  const optionsIn = (text: string): string[] => text.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [];
  const common = ["--help", "--version", "--json", "--home"];

  async function help(of: readonly string[]): Promise<string> {
    const ran = await command([...of, "--help"]);
    expect(ran.code).toBe(0);
    return ran.stdout;
  }

  async function commandsUnder(parent: readonly string[]): Promise<string[]> {
    const [, list] = (await help(parent)).split("\nCommands:\n");
    if (list === undefined) return [parent.join(" ")];
    const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = ""]) => name);
    const under = names.filter((name) => name !== "help").map((name) => commandsUnder([...parent, name]));
    return (await Promise.all(under)).flat();
  }

  const sections = new Map(
    page("docs/cli.md")
      .split(/^### /m)
      .slice(1)
      .map((section) => {
        const [name = "", ...rest] = section.split("\n");
        return [name, rest.join("\n").split(/^## /m)[0] ?? ""] as const;
      }),
  );

  test("on the commands there are", async () => {
    expect([...sections.keys()].sort()).toEqual((await commandsUnder([])).sort());
  });

  test.each([...sections])("on the options of %s", async (name, section) => {
    const offered = new Set(optionsIn(await help(name.split(" "))));
    const documented = new Set(optionsIn(section));
    expect([...documented].filter((option) => !offered.has(option))).toEqual([]);
    expect([...offered].filter((option) => !documented.has(option) && !common.includes(option))).toEqual([]);
    expect(section).toContain(`npx countersign ${name}`);
  });
});

describe("docs/operations.md", () => {
  const operations = page("docs/operations.md");
  const settings = tableRows(operations).filter((cells) => cells.length === 5);

  test("names every variable that the source reads, and no other", () => {
    const sources = globSync("src/**/*.ts", { cwd: projectRoot }).map(page).join("\n");
    const variables = (text: string): string[] => text.match(/COUNTERSIGN_[A-Z_]*[A-Z]/g) ?? [];
    const listeners = listenerNames.map((name) => `COUNTERSIGN_${name.toUpperCase()}_LISTEN`);
    const read = new Set([...variables(sources), ...listeners, ...limitNames.map(limitVariable)]);
    expect([...new Set(variables(operations))].sort()).toEqual([...read].sort());
  });

  test.each(listenerNames)("has the flag, variable, key and default of the listener %s", (name) => {
    const variable = `COUNTERSIGN_${name.toUpperCase()}_LISTEN`;
    const { host, port } = resolveConfig("/home", {}, {}, {}).listen[name];
    const row = settings.find((cells) => cells[2] === `\`${variable}\``);
    expect(row?.slice(1)).toEqual([
      `\`--${name}-listen\``,
      `\`${variable}\``,
      `\`listen.${name}\``,
      `\`${host}:${String(port)}\``,
    ]);
    const set = resolveConfig("/home", {}, { [variable]: "127.0.0.2:1" }, {});
    expect(set.listen[name]).toEqual({ host: "127.0.0.2", port: 1 });
  });

  test.each(limitNames)("has the key, variable and default of the limit %s", (name) => {
    const row = tableRows(operations).find(([, key]) => key === `\`limits.${name}\``);
    const [, , variable = "", byDefault = ""] = row?.map((cell) => cell.replaceAll("`", "")) ?? [];
    expect(variable).toBe(limitVariable(name));
    expect(resolveConfig("/home", {}, { [variable]: byDefault }, {}).limits).toEqual(defaultLimits);
  });

  test("names flags that init and serve have", async () => {
    const help = await Promise.all(["init", "serve"].map((command) => countersign([command, "--help"])));
    const [init = "", serve = ""] = help.map(({ stdout }) => stdout);
    for (const [, cell = ""] of settings.slice(2)) {
      const flag = /--[a-z0-9-]+/.exec(cell)?.[0];
      if (flag === undefined) continue;
      expect(init.includes(`${flag} `), flag).toBe(!cell.includes("(serve)"));
      expect(serve.includes(`${flag} `), flag).toBe(!cell.includes("(init)"));
    }
  });
});
