import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeConfig } from "../support/change-config.ts";
import { type TestCredential, call, enrolled } from "../support/client.ts";
import { freshHome } from "../support/fresh-home.ts";
import { projectRoot, runOk } from "../support/run.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let python: ChildProcess;
let complaints = "";
let server: TestServer;
let caller: TestCredential;

beforeAll(async () => {
  workspace = await makeWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  python = spawn("python3", [join(projectRoot, "examples/python-service/service.py"), "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  python.stderr?.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  if (!python.stdout) throw new Error("it says no port");
  const [port] = (await once(createInterface(python.stdout), "line")) as [string];
  changeConfig(home, {
    upstreams: { python: { url: `http://127.0.0.1:${port}` } },
    routes: [{ path: "/**", upstream: "python", identity: ["headers", "client-cert", "xfcc"] }],
  });
  server = await serveHome(workspace);
  caller = await enrolled(server, await server.token("acme"));
});
afterAll(async () => {
  await server.stop();
  python.kill();
  await workspace.remove();
});

test("a service in Python sees the account", async () => {
  const { json } = await call(`${server.enforce}/orders`, { tls: caller });
  expect(json).toMatchObject({ account: "acme" });
  const body = Buffer.alloc(50_000, 1);
  const headers = { "Content-Length": String(body.length) };
  const posted = await call(`${server.enforce}/orders`, { tls: caller, method: "POST", headers, body });
  expect([posted.status, posted.json]).toEqual([201, { account: "acme", octets: 50_000 }]);
});

test("with curl, every identity header that is forged is stripped", async () => {
  const [key, cert] = [workspace.file("client.key"), workspace.file("client.crt")];
  await writeFile(key, caller.key, { mode: 0o600 });
  await writeFile(cert, caller.cert);
  const forged = [
    ...["X-Client-Account: admin", "x-client-account: admin", "X_Client_Account: admin"],
    ...["X-Client-Scopes: admin", "X-Client-Fingerprint: 00", "X-Client-Serial: 00", "X-Client-Other: 1"],
    ...["Client-Cert: :AAAA:", "Client_Cert: :AAAA:", "Client-Cert-Chain: :AAAA:"],
    ...["X-Forwarded-Client-Cert: Hash=00", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http"],
    ...[
      "Forwarded: for=192.0.2.1",
      "X-Real-IP: 192.0.2.1",
      "X-SSL-Client-Verify: SUCCESS",
      "Remote-User: admin",
    ],
    ...["Connection: X-Client-Account, Client-Cert, X-Forwarded-Client-Cert, keep-alive"],
  ];
  const args = ["-sS", "--cacert", server.root, "--cert", cert, "--key", key];
  const stdout = await runOk("curl", [
    ...args,
    ...forged.flatMap((header) => ["-H", header]),
    `${server.enforce}/orders`,
  ]);
  const said = JSON.parse(stdout) as { account: string; told: Record<string, string[]>; names: string[] };
  expect(said.account).toBe("acme");
  expect(said.told).toMatchObject({
    "X-Client-Account": ["acme"],
    "X-Client-Fingerprint": [caller.fingerprint],
  });
  expect(said.names.map((name) => name.toLowerCase()).sort()).toEqual(
    [
      ...["accept", "connection", "host", "user-agent", "via", "x-request-id"],
      ...["client-cert", "client-cert-chain", "x-forwarded-client-cert"],
      ...["account", "fingerprint", "not-after", "scopes", "serial"].map((name) => `x-client-${name}`),
      ...["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"],
    ].sort(),
  );
});

test("a revoked caller is cut in the middle of an event stream, and the service is told", async () => {
  const victim = await enrolled(server, await server.token("acme"));
  const { key, cert, ca, fingerprint } = victim;
  const sent = request(`${server.enforce}/events`, { key, cert, ca, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  await once(response, "data");
  const cut = once(response, "error");
  await server.admin("revoke", fingerprint);
  await cut;
  await expect.poll(() => complaints).toContain("the gateway hung up");
});
