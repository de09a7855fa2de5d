import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeConfig } from "../support/change-config.ts";
import { type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { expectEachOnce, spoilConfig } from "../support/every-fault.ts";
import { freePort } from "../support/free-port.ts";
import { freshHome } from "../support/fresh-home.ts";
import { exchange, listenOn } from "../support/gateway-scene.ts";
import { countersign } from "../support/run.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { tlsTo } from "../support/tls-to.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let server: TestServer;
let caller: TestCredential;
let upstream = "";
const service = createServer((request, response) => {
  if (request.url === "/sick") response.statusCode = 500;
  response.end(`${String(request.headers["x-client-account"])} ${String(request.url)}`);
});
service.on("upgrade", (_request, socket: Duplex) => {
  socket.on("error", () => undefined);
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  socket.pipe(socket);
});

beforeAll(async () => {
  workspace = await makeWorkspace();
  await freshHome(workspace.file("home"));
  upstream = await listenOn(service);
  configure([{ path: "/**", upstream: "app" }]);
  const own = `127.0.0.1:${String(await freePort())}`; // what routes must not lead to
  server = await serveHome(workspace, { serve: ["--enforce-listen", own] });
  caller = await enrolled(server, await server.token("acme"));
});
afterAll(async () => {
  await server.stop();
  service.closeAllConnections();
  service.close();
  await workspace.remove();
});

function configure(routes: readonly object[], upstreams: object = { app: { url: upstream } }): void {
  changeConfig(workspace.file("home"), { routes, upstreams });
}

async function said(path: string): Promise<string> {
  const { status, text, json } = await call(server.enforce + path, { tls: caller });
  return `${String(status)} ${typeof json["code"] === "string" ? json["code"] : text}`;
}

test("serve has routes, and its own answer beside them", async () => {
  expect(await said("/orders/1?x=y")).toBe("200 acme /orders/1?x=y");
  const { json } = await call(`${server.enforce}/whoami`, { tls: caller });
  expect(json["account"]).toBe("acme");
  const nobody = await call(`${server.enforce}/orders/1`, { tls: { ca: caller.ca } });
  expect(nobody.json["code"]).toBe("CERT_REQUIRED");
  await call(`${server.enforce}/whoami`, { tls: { ca: caller.ca } });
  // By whose name it would have been served.
  const denied = (route: string, path: string) =>
    `"route":"${route}","address":"127.0.0.1","method":"GET","path":"${path}"`;
  await expect.poll(() => server.log()).toContain(denied("/whoami", "/whoami"));
  expect(server.log()).toContain(denied("/**", "/orders/1"));
});

test("a call is logged, without its query, and counted", async () => {
  await said("/logged?token=hidden");
  await expect.poll(() => server.log()).toContain('"path":"/logged"');
  expect(server.log()).not.toContain("hidden");
  const { text } = await metrics();
  expect(text).toMatch(
    /countersign_gateway_calls_total\{route="\/\*\*",account="acme",status="200",code=""\} \d/,
  );
  expect(text).toMatch(/countersign_gateway_seconds_count\{route="\/\*\*",account="acme"\} \d/);
  expect(text).toContain('countersign_gateway_open{route="/**",account="acme"} 0');
  expect(text).toMatch(
    /countersign_gateway_octets_total\{route="\/\*\*",account="acme",direction="sent"\} \d/,
  );
});

test("a call whose body is too large is counted as a denial", async () => {
  const body = Buffer.alloc(100_000);
  const { json } = await call(`${server.enforce}/large`, { method: "POST", body, tls: caller });
  expect(json["code"]).toBe("BODY_TOO_LARGE");
  const of = (more: string): string => `{${more}account="acme",code="BODY_TOO_LARGE"} 1`;
  const { text } = await metrics();
  expect(text).toContain(`countersign_gateway_denials_total${of('route="/**",')}`);
  expect(text).toContain(`countersign_account_denials_total${of("")}`);
  expect(text).toContain('countersign_decisions_total{code="BODY_TOO_LARGE"} 1');
});

test("an upgraded connection is counted as one, with what went over it when it is closed", async () => {
  configure([{ name: "chat", path: "/**", upstream: "app", upgrade: ["echo"] }]);
  const socket = await tlsTo(server.enforce, caller);
  const ask = "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
  await expect.poll(async () => `${await said("/x")} ${(await metrics()).text}`).toContain('route="chat"');
  expect(await exchange(socket, ask, 50)).toContain(" 101 ");
  expect(await exchange(socket, "12345", 50)).toBe("12345");
  const of = '{route="chat",account="acme"}';
  const { text: open } = await metrics();
  expect(open).toContain(`countersign_gateway_upgraded_open${of} 1`);
  expect(open).toContain(`countersign_gateway_open${of} 0`);
  expect(open).toMatch(/countersign_account_connections\{account="acme"\} [1-9]/);
  socket.destroy();
  await expect.poll(async () => (await metrics()).text).toContain(`countersign_gateway_upgraded_open${of} 0`);
  const { text } = await metrics();
  expect(text).toContain(
    'countersign_gateway_octets_total{route="chat",account="acme",direction="received"} 5',
  );
  configure([{ path: "/**", upstream: "app" }]);
});

test("routes are read anew when the file changes, and on SIGHUP, and no connection is dropped", async () => {
  const agent = keepAlive(caller);
  const first = await call(`${server.enforce}/a`, { agent });
  expect(first.status).toBe(200);
  configure([{ path: "/other/**", upstream: "app", scopes: ["x"] }]);
  await expect.poll(() => said("/a")).toBe("404 NO_ROUTE");
  expect(await said("/other/1")).toBe("403 SCOPE_MISSING");
  expect((await metrics()).text).toContain(
    'countersign_gateway_denials_total{route="/other/**",account="acme",code="SCOPE_MISSING"} 1',
  );
  const leaked = await enrolled(server, await server.token("leaked"));
  configure([{ path: "/**", upstream: "gone" }]);
  server.process.kill("SIGHUP");
  await expect.poll(() => server.log()).toContain("there is no upstream 'gone'");
  expect(await said("/a")).toBe("404 NO_ROUTE");
  // Nor does a bad route keep anybody from revoking.
  expect(await server.admin("revoke", leaked.fingerprint)).toMatchObject({ fingerprint: leaked.fingerprint });
  configure([{ path: "/**", upstream: "app" }]);
  server.process.kill("SIGHUP");
  await expect.poll(() => said("/a")).toBe("200 acme /a");
  const last = await call(`${server.enforce}/a`, { agent });
  expect([last.status, last.reusedSocket, last.localPort]).toEqual([200, true, first.localPort]);
  agent.destroy();
});

test("an upstream that is not well makes the server not ready", async () => {
  const ready = async (): Promise<number> => (await plain(`${server.public}/readyz`)).status;
  expect(await ready()).toBe(200);
  configure([{ path: "/**", upstream: "app" }], {
    app: { url: upstream, health: { path: "/sick", interval: "1s" } },
  });
  await expect.poll(ready).toBe(503);
  expect((await metrics()).text).toContain('countersign_gateway_upstream_down{upstream="app"} 1');
  configure([{ path: "/**", upstream: "app" }]);
  await expect.poll(ready).toBe(200);
});

test("a bad configuration is not read again: no fault hides another, and the old routes stay", async () => {
  configure([{ path: "/**", upstream: "app" }]);
  await expect.poll(() => said("/old")).toBe("200 acme /old");
  const before = readFileSync(workspace.file("home/config.json"));
  const refused = (): string[] =>
    server
      .log()
      .split("\n")
      .filter((line) => line.includes("the routes were not read again") && line.includes("trustAnchor"));
  const faults = spoilConfig(workspace.file("home"), new URL(server.enforce).host);
  await expect.poll(() => refused().length).toBe(1);
  server.process.kill("SIGHUP");
  await expect.poll(() => refused().length).toBe(2);
  for (const line of refused()) {
    const { err } = JSON.parse(line) as { readonly err: { readonly message: string } };
    expectEachOnce(err.message, faults);
  }
  expect(await said("/old")).toBe("200 acme /old");
  writeFileSync(workspace.file("home/config.json"), before);
  configure([{ path: "/new", upstream: "app" }]);
  await expect.poll(() => said("/old")).toBe("404 NO_ROUTE");
});

test("bad routes stop the start, every fault named", async () => {
  const other = await makeWorkspace();
  const home = other.file("home");
  await freshHome(home);
  const upstreams = { a: { url: "https://127.0.0.1:9443", ca: "no.crt" }, b: { url: "ftp://x" } };
  changeConfig(home, { upstreams, routes: [{ path: "x", upstream: "a", extra: 1 }] });
  const bad = await countersign(["serve", "--home", home]);
  expect(bad.code).toBe(1);
  for (const fault of ["upstreams.b.url", "routes.0.path", 'routes.0: Unrecognized key: "extra"'])
    expect(bad.stderr).toContain(fault);
  changeConfig(home, { upstreams: { a: { url: "https://127.0.0.1:1", ca: "no.crt" } }, routes: [] });
  const missing = await countersign(["serve", "--home", home]);
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("no.crt cannot be read")]);
  await other.remove();
});

function plain(url: string): Promise<{ readonly status: number; readonly text: string }> {
  return fetch(url).then(async (response) => ({ status: response.status, text: await response.text() }));
}

function metrics(): Promise<{ readonly text: string }> {
  return plain(`${server.metrics}/metrics`);
}

test("stopping lets an answer under way end", async () => {
  const slow = createServer((_request, response) => {
    response.write("begun ");
    setTimeout(() => response.end("ended"), 300);
  });
  const address = await listenOn(slow);
  configure([{ path: "/**", upstream: "slow" }], { slow: { url: address } });
  await expect.poll(() => said("/x")).toBe("200 begun ended");
  const asked = once(slow, "request");
  const answer = call(`${server.enforce}/x`, { tls: caller });
  await asked;
  expect(await server.stop()).toBe(0);
  expect((await answer).text).toBe("begun ended");
  slow.close();
});
