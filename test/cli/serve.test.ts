import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { connect } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { call, enrolled, keepAlive } from "../support/client.ts";
import { countersign, projectRoot, run, runOk } from "../support/run.ts";
import { serveHome, sharedServer, startTestServer } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";

const freePorts = Object.fromEntries(
  ["CA", "ENFORCE", "PUBLIC", "METRICS"].map((name) => [`COUNTERSIGN_${name}_LISTEN`, "127.0.0.1:0"]),
);

/** `npm start` in a home of its own, as a shell would start it. */
async function npmStart(home: string): Promise<{ npm: ChildProcess; output: () => string }> {
  const npm = spawn("npm", ["start"], {
    cwd: projectRoot,
    env: { ...process.env, ...freePorts, COUNTERSIGN_HOME: home, COUNTERSIGN_APPROVAL: "on" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a process group of its own, as a terminal gives it
  });
  onTestFinished(() => {
    const isOver = npm.exitCode !== null || npm.signalCode !== null;
    if (!isOver && npm.pid !== undefined) process.kill(-npm.pid, "SIGKILL");
  });
  let output = "";
  npm.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  npm.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await expect.poll(() => output).toContain("Calls over mTLS");
  return { npm, output: () => output };
}

describe("npm start", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "initialises, offers a demo once, and ends cleanly on %s",
    async (signal) => {
      const home = (await testWorkspace()).file("home");
      const first = await npmStart(home);
      const tokenFile = join(home, "secrets/demo.token");
      await expect.poll(() => first.output()).toContain("/whoami\n\nThen revoke it");
      expect(first.output()).toMatch(/^Approval: +on: requests without a token wait for an admin$/m);
      expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
      expect(first.output()).not.toContain(readFileSync(tokenFile, "utf8").trim());
      first.npm.kill(signal);
      expect(await once(first.npm, "exit")).toEqual([0, null]);
      expect(first.output()).toContain('"msg":"stopped"');

      const second = await npmStart(home);
      process.kill(-(second.npm.pid ?? 0), signal); // as Ctrl-C does: to npm and to the server
      // npm, which gets the signal as well, sometimes ends by it; the server does not.
      const ends = [
        [0, null],
        [null, signal],
      ];
      expect(ends).toContainEqual(await once(second.npm, "close"));
      expect(second.output()).toContain('"msg":"stopped"');
      expect(second.output()).not.toContain("demo.token");
    },
  );
});

describe("a server that is told to stop", () => {
  test("finishes what is under way, closes what is idle, and exits 0", async () => {
    const server = await startTestServer();
    onTestFinished(server.workspace.remove);
    const credential = await enrolled(server, await server.token("acme"));
    const agent = keepAlive(credential);
    await call(`${server.enforce}/whoami`, { agent });
    // An enrolment whose body is still on its way.
    const { hostname, port } = new URL(server.ca);
    const slow = request({
      ...{ hostname, port, path: "/v1/certificates", method: "POST", ca: readFileSync(server.root) },
      headers: { Authorization: `Bearer ${await server.token("acme")}`, "Content-Type": "application/json" },
    });
    const answered = once(slow, "response");
    slow.write("{");
    await new Promise((resolve) => slow.once("socket", (socket) => socket.once("secureConnect", resolve)));
    const stopped = server.stop();
    setTimeout(() => slow.end("}"), 500);
    const [response] = (await answered) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(400);
    expect(await stopped).toBe(0);
    await expect(call(`${server.enforce}/whoami`, { agent })).rejects.toThrow();
    agent.destroy();
  });

  test("does not wait for a connection that says nothing", async () => {
    const server = await startTestServer();
    onTestFinished(server.workspace.remove);
    const { port } = new URL(server.enforce);
    const socket = connect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    expect(await server.stop()).toBe(0);
    socket.destroy();
  });
});

describe("a server that cannot start says why, and exits 1", () => {
  const server = sharedServer();

  test.each<[string, string[], string]>([
    ["a port that is taken", ["--ca-listen", "taken"], "UNAVAILABLE"],
    ["a wrong password", ["--password-file", join(projectRoot, "package.json")], "PASSWORD_WRONG"],
    ["a bad address", ["--enforce-listen", "nowhere"], "CONFIG_INVALID"],
    ["a public URL over TLS", ["--public-url", "https://example.org"], "CONFIG_INVALID"],
  ])("%s", async (_name, flags, code) => {
    const used = flags.map((flag) => (flag === "taken" ? new URL(server.ca).host : flag));
    const ports = ["enforce", "public", "metrics", "ca"].flatMap((name) => [
      `--${name}-listen`,
      "127.0.0.1:0",
    ]);
    const ran = await countersign(["serve", "--home", server.home, ...ports, ...used]);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toContain(code);
  });

  test("a demo that can't be offered stops it", async () => {
    await mkdir(`${server.home}/secrets/demo.token/in-the-way`, { recursive: true });
    const ports = ["enforce", "public", "metrics", "ca"].flatMap((name) => [
      `--${name}-listen`,
      "127.0.0.1:0",
    ]);
    const ran = await countersign(["serve", "--quickstart", "--json", "--home", server.home, ...ports]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("demo.token cannot be written");
  });

  test("no home", async () => {
    const ran = await countersign(["serve", "--home", server.workspace.file("nowhere")]);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toContain("HOME_MISSING");
  });
});

test("what was issued, suspended and revoked is so after a restart, kill -9 included", async () => {
  let server = await startTestServer();
  onTestFinished(server.workspace.remove);
  const [good, bad] = [
    await enrolled(server, await server.token("a")),
    await enrolled(server, await server.token("a")),
  ];
  await server.admin("revoke", bad.fingerprint);
  await server.kill();
  server = await serveHome(server.workspace);
  const ask = async ({ key, cert, ca }: typeof good) =>
    (await call(`${server.enforce}/whoami`, { tls: { key, cert, ca } })).status;
  expect([await ask(good), await ask(bad)]).toEqual([200, 403]);
  expect(await server.stop()).toBe(0);
});

test("a CRL that lacks octets in the database keeps no server from starting, and the next one is out at once", async () => {
  let server = await startTestServer();
  onTestFinished(server.workspace.remove);
  await server.stop();
  const database = new DatabaseSync(join(server.home, "countersign.sqlite"));
  const [row] = database
    .prepare("SELECT issuer_id AS id, number FROM crls JOIN issuers ON id = issuer_id WHERE role = 'issuing'")
    .all();
  const { id, number } = row as { id: string; number: number };
  database.prepare("UPDATE crls SET staging = 'gone', der = x'' WHERE issuer_id = ?").run(id);
  database.close();

  const out = server.workspace.file("crls");
  const ran = await countersign(["crl", "publish", "--due", "--out", out, "--home", server.home]);
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toContain(`CRL ${String(number)} of ${id} is damaged`);

  server = await serveHome(server.workspace);
  const answer = await fetch(`${server.public}/crl/${id}.crl`);
  expect(answer.status).toBe(200);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const text = await runOk("openssl", ["crl", "-inform", "DER", "-noout", "-crlnumber"], { input: bytes });
  expect(text.trim()).toBe(`crlNumber=0x${(number + 1).toString(16).padStart(2, "0")}`);
  expect(server.log()).toContain("the CRL on record is damaged");
  await server.admin("crl", "publish", "--due", "--out", out);
  expect(await server.stop()).toBe(0);
});

test("the metrics listener counts decisions and enrolments by code", async () => {
  const server = await startTestServer();
  onTestFinished(server.workspace.remove);
  await enrolled(server, await server.token("acme"));
  await call(`${server.enforce}/whoami`, { tls: { ca: readFileSync(server.root) } });
  const text = await (await fetch(`${server.metrics}/metrics`)).text();
  expect(text).toContain('countersign_decisions_total{code="CERT_REQUIRED"} 1');
  expect(text).toContain('countersign_enrolments_total{code="ISSUED"} 1');
  expect(text).toMatch(/^countersign_staleness_seconds \d/m);
  expect((await fetch(`${server.metrics}/other`)).status).toBe(404);
  await server.stop();
});

describe("the bin", () => {
  const bin = join(projectRoot, "bin/countersign");

  test("answers --help and --version", async () => {
    const help = await run(bin, ["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(/^Usage: countersign /);
    expect((await run(bin, ["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run(bin, ["revoke"])).code).toBe(2);
  });
});
