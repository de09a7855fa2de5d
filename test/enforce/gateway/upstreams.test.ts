import { once } from "node:events";
import { type Server as HttpServer, type RequestListener, createServer } from "node:http";
import { type ServerOptions, createServer as createTlsServer } from "node:https";
import { TLSSocket } from "node:tls";
import { type AddressInfo, type Server, createServer as createRawServer } from "node:net";
import { writeFile } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
import type { GatewayServer } from "../../../src/index.ts";
import { call, keepAlive } from "../../support/client.ts";
import { gatewayGround, listenOn } from "../../support/gateway-scene.ts";
import { testWorkspace } from "../../support/workspace.ts";

const ground = gatewayGround();
const servers: Server[] = [];
const gateways: GatewayServer[] = [];
afterAll(async () => {
  for (const server of servers) server.close();
  await Promise.all(gateways.map((gateway) => gateway.close()));
});

const asGood = () => ({ tls: { key: ground.good.key, cert: ground.good.cert, ca: ground.good.ca } });

async function gatewayTo(
  upstream: object,
): Promise<{ readonly url: string; readonly gateway: GatewayServer }> {
  const gateway = ground.scene.enforcer.createGateway(settingsFor(upstream), ground.scene.certificate);
  gateways.push(gateway);
  return { gateway, url: await ground.scene.listen(gateway.server) };
}

function settingsFor(upstream: object, route: object = {}): object {
  return { upstreams: { app: upstream }, routes: [{ path: "/**", upstream: "app", ...route }] };
}

/** A service that says which it is. */
async function service(
  name: string,
  handler?: RequestListener,
): Promise<{ readonly url: string; readonly server: HttpServer }> {
  const server = createServer(
    { keepAliveTimeout: 60_000 },
    handler ?? ((_request, response) => response.end(name)),
  );
  servers.push(server);
  return { url: await listenOn(server), server };
}

async function said(url: string, path = "/"): Promise<string> {
  const { status, text, json } = await call(url + path, asGood());
  return `${String(status)} ${typeof json["code"] === "string" ? json["code"] : text}`;
}

test("a service on a unix socket", async () => {
  const workspace = await testWorkspace();
  const server = createServer((request, response) => response.end(`unix ${String(request.headers.host)}`));
  servers.push(server);
  const socket = workspace.file("app.sock");
  server.listen(socket);
  await once(server, "listening");
  const { url } = await gatewayTo({ url: "http://app.internal", socket });
  expect(await said(url)).toBe(`200 unix ${new URL(url).host}`);
});

test("a service over https is verified, and asks for the gateway's own certificate", async () => {
  const workspace = await testWorkspace();
  const own = await ground.scene.credential("acme");
  const files = {
    ca: workspace.file("ca.crt"),
    cert: workspace.file("own.crt"),
    key: workspace.file("own.key"),
  };
  await writeFile(files.ca, own.ca);
  await writeFile(files.cert, own.cert);
  await writeFile(files.key, own.key);
  const options: ServerOptions = { ...ground.scene.certificate, ca: own.ca, requestCert: true };
  const server = createTlsServer(options, (request, response) => {
    const { socket } = request;
    response.end(socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : "");
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  expect(await said((await gatewayTo({ url: address, ...files })).url)).toBe("200 acme");
  expect(await said((await gatewayTo({ url: address })).url)).toBe("502 UPSTREAM_UNREACHABLE");
  const wrongName = { url: address, ...files, serverName: "other.example.org" };
  expect(await said((await gatewayTo(wrongName)).url)).toBe("502 UPSTREAM_UNREACHABLE");
});

test("a certificate and a key that are no pair are a fault, beside others, at the start and later", async () => {
  const workspace = await testWorkspace();
  const own = await ground.scene.credential("acme");
  const other = await ground.scene.credential("acme");
  const files = { cert: own.cert, key: own.key, theirs: other.key, junk: "junk" };
  for (const [name, pem] of Object.entries(files)) await writeFile(workspace.file(name), pem);
  const [cert, none] = [workspace.file("cert"), workspace.file("none")];
  const upstream = (key: string) => ({ url: "https://127.0.0.1:1", cert, key: workspace.file(key) });
  const settings = {
    upstreams: {
      ...{ a: { ...upstream("theirs"), ca: none }, b: upstream("theirs") },
      ...{ c: upstream("junk"), d: upstream("key") },
    },
    routes: [],
  };
  const fault = (name: string) => `upstreams.${name}: cert and key are not of one pair`;
  const faults = [
    ...[`upstreams.a.ca: ${none} cannot be read`, fault("a"), fault("b")],
    `upstreams.c.key: ${workspace.file("junk")} is not what it should be`,
  ].join("; ");
  expect(() => ground.scene.enforcer.createGateway(settings, ground.scene.certificate)).toThrow(
    `: ${faults}.`,
  );
  expect(() => {
    ground.gateway.reconfigure(settings);
  }).toThrow(`: ${faults}.`);
});

test("a service that is not there, and that comes back", async () => {
  const { url: address, server } = await service("here");
  const { url, gateway } = await gatewayTo({ url: address, health: { path: "/", interval: "1s" } });
  expect(await said(url)).toBe("200 here");
  expect(gateway.down).toEqual([]);
  const { port } = server.address() as AddressInfo;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await said(url)).toBe("502 UPSTREAM_UNREACHABLE");
  await expect.poll(() => gateway.down).toEqual(["app"]);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  expect(await said(url)).toBe("200 here");
  await expect.poll(() => gateway.down).toEqual([]);
});

test("a kept connection that the service has closed costs nobody an answer", async () => {
  let count = 0;
  const { url: address } = await service("", (request, response) => {
    count += 1;
    if (count === 2) {
      request.socket.destroy(); // as if it had been idle for too long, when the request was on its way
      return;
    }
    response.end(String(count));
  });
  const { url } = await gatewayTo({ url: address });
  expect(await said(url)).toBe("200 1");
  expect(await said(url)).toBe("200 3");
  count = 1;
  const { status, json } = await call(`${url}/`, {
    ...asGood(),
    method: "POST",
    headers: { "Content-Length": "1" },
    body: "x",
  });
  expect([status, json["code"]]).toEqual([502, "UPSTREAM_FAILED"]); // it may have been done
});

test("other routes take over without a call or a connection lost", async () => {
  let release = (): void => undefined;
  const old = await service("", (_request, response) => {
    response.write("old ");
    release = () => response.end("answer");
  });
  const next = await service("next");
  const { url, gateway } = await gatewayTo({ url: old.url });
  const agent = keepAlive(ground.good);
  const slow = call(`${url}/`, asGood());
  await expect.poll(() => release.name).not.toBe("");
  await expect.poll(() => String(release)).toContain("answer");
  gateway.reconfigure(settingsFor({ url: next.url }));
  expect((await call(`${url}/`, { agent })).text).toBe("next");
  gateway.reconfigure(settingsFor({ url: next.url }, { path: "/only" }));
  const denied = await call(`${url}/`, { agent });
  expect([denied.status, denied.json["code"], denied.reusedSocket]).toEqual([404, "NO_ROUTE", true]);
  expect(() => {
    gateway.reconfigure({ upstreams: {}, routes: [{ path: "/**", upstream: "app" }] });
  }).toThrow("there is no upstream 'app'");
  const odd = { tls: { url: "https://192.0.2.1", uri: "x", ca: "/no.crt" } };
  expect(() => {
    gateway.reconfigure({ upstreams: odd, routes: [{ path: "/**", upstream: "app" }], route: [] });
  }).toThrow(
    /^The configuration is not valid: .*key: "uri".*gateway: .*key: "route".*no upstream 'app'.*tls\.ca: \/no\.crt cannot be read\.$/,
  );
  expect((await call(`${url}/only`, { agent })).text).toBe("next");
  release();
  expect((await slow).text).toBe("old answer");
  agent.destroy();
});

test("a request that comes back is refused", async () => {
  const first = await gatewayTo({ url: "http://127.0.0.1:1" });
  const own = await ground.scene.credential("acme");
  const workspace = await testWorkspace();
  const files = {
    ca: workspace.file("ca.crt"),
    cert: workspace.file("own.crt"),
    key: workspace.file("own.key"),
  };
  for (const [kind, file] of Object.entries(files)) await writeFile(file, own[kind as keyof typeof files]);
  first.gateway.reconfigure(settingsFor({ url: first.url, ...files }));
  expect(await said(first.url)).toBe("508 GATEWAY_LOOP");
});

test("identity as a route has it", async () => {
  const { url: address } = await service("", (request, response) => {
    const named = Object.entries(request.headers).filter(([name]) => name.includes("client"));
    response.end(JSON.stringify(Object.fromEntries(named)));
  });
  const forms = ["client-cert", "xfcc", "headers", "none"];
  const gateway = ground.scene.enforcer.createGateway(
    {
      upstreams: { app: { url: address } },
      routes: [
        ...forms.map((identity) => ({ path: `/${identity}`, upstream: "app", identity })),
        { path: "/both", upstream: "app", identity: ["client-cert", "headers"] },
      ],
    },
    ground.scene.certificate,
  );
  gateways.push(gateway);
  const url = await ground.scene.listen(gateway.server);
  const told = async (form: string): Promise<Record<string, string>> =>
    (await call(`${url}/${form}`, asGood())).json as Record<string, string>;
  const [leaf = "", issuer = ""] = ground.good.cert
    .split("-----END CERTIFICATE-----")
    .map((pem) => pem.replace("-----BEGIN CERTIFICATE-----", "").replaceAll(/\s/g, ""));
  expect(await told("client-cert")).toEqual({
    "client-cert": `:${leaf}:`,
    "client-cert-chain": `:${issuer}:`,
    "x-client-account": "acme",
    "x-client-scopes": "orders:read",
  });
  const xfcc = (await told("xfcc"))["x-forwarded-client-cert"] ?? "";
  expect(xfcc).toContain(`Hash=${ground.good.fingerprint};`);
  expect(xfcc).toContain('Subject="CN=acme"');
  expect(xfcc).toMatch(/;URI=spiffe:\/\/[a-z.]+\/account\/acme$/);
  expect(decodeURIComponent(/Cert="([^"]+)"/.exec(xfcc)?.[1] ?? "")).toContain(
    "-----BEGIN CERTIFICATE-----\n",
  );
  expect(Object.keys(await told("headers"))).toContain("x-client-account");
  expect(await told("none")).toEqual({});
  expect(Object.keys(await told("both"))).toEqual(
    expect.arrayContaining(["client-cert", "x-client-account"]),
  );
});

test("a call that finds no free connection in time is told so", async () => {
  let release = (): void => undefined;
  const { url: address } = await service("", (request, response) => {
    if (request.url === "/slow") release = () => response.end("slow");
    else response.end("quick");
  });
  const { url } = await gatewayTo({ url: address, connections: 1, connectTime: "200ms" });
  const slow = said(url, "/slow");
  await expect.poll(() => String(release)).toContain("slow");
  expect(await said(url, "/quick")).toBe("504 UPSTREAM_TIMEOUT");
  const { status } = await call(`${url}/quick`, {
    ...{ ...asGood(), method: "POST" },
    ...{ headers: { "Content-Length": "40000" }, body: Buffer.alloc(40_000) },
  });
  expect(status).toBe(504);
  release();
  expect(await slow).toBe("200 slow");
  expect(await said(url, "/quick")).toBe("200 quick");
});

test("an answer that cannot be passed on leaves nothing of itself", async () => {
  const raw = createRawServer((socket) => {
    socket
      .on("error", () => undefined)
      .once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nX-First: 1\r\nX-Bad: a\u0001b\r\nContent-Length: 2\r\n\r\nok");
      });
  });
  servers.push(raw);
  const { url } = await gatewayTo({ url: await listenOn(raw) });
  const { status, headers, json } = await call(`${url}/`, asGood());
  expect([status, json["code"], headers["x-first"]]).toEqual([502, "UPSTREAM_FAILED", undefined]);
});
