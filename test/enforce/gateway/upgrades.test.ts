import { once } from "node:events";
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { TestCredential } from "../../support/client.ts";
import { exchange, gatewayGround, listenOn } from "../../support/gateway-scene.ts";
import { tlsTo } from "../../support/tls-to.ts";

const ground = gatewayGround();
const service = createServer((_request, response) => {
  response.writeHead(404, { "Content-Type": "text/plain" }).end("no socket here");
});
const sockets = new WebSocketServer({ noServer: true });
service.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: so\r\n\r\nno");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (open) => {
    open.send(String(request.headers["x-client-account"]));
    open.on("message", (data: Buffer, isBinary) => {
      open.send(data, { binary: isBinary });
    });
  });
});
let url = "";

beforeAll(async () => {
  const upstream = await listenOn(service);
  const gateway = ground.scene.enforcer.createGateway(
    {
      upstreams: { sockets: { url: upstream } },
      routes: [
        { path: "/**", upstream: "sockets", upgrade: ["websocket"] },
        { path: "/plain", upstream: "sockets" },
        { path: "/admin", upstream: "sockets", upgrade: ["websocket"], scopes: ["admin"] },
      ],
    },
    ground.scene.certificate,
  );
  url = await ground.scene.listen(gateway.server);
  return () => gateway.close();
});
afterAll(() => {
  for (const open of sockets.clients) open.terminate();
  service.close();
});

function open({ key, cert, ca }: TestCredential, path = "/chat"): WebSocket {
  return new WebSocket(`${url.replace("https", "wss")}${path}`, { key, cert, ca });
}

test("a WebSocket goes through, both ways, until its credential is revoked", async () => {
  const victim = await ground.scene.credential("acme");
  const socket = open(victim);
  const [hello] = (await once(socket, "message")) as [Buffer];
  expect(hello.toString()).toBe("acme");
  const large = Buffer.alloc(300_000, 7);
  socket.send(large);
  const [back] = (await once(socket, "message")) as [Buffer];
  expect(back.equals(large)).toBe(true);
  const closed = once(socket, "close");
  const [other] = [...sockets.clients];
  await ground.scene.revoke(victim);
  await closed;
  await expect.poll(() => other?.readyState).toBe(WebSocket.CLOSED);
  const { fingerprint } = victim;
  const line = await vi.waitUntil(() =>
    ground.scene.log.find((one) => one.message === "call" && one["fingerprint"] === fingerprint),
  );
  expect(line["received"]).toBeGreaterThan(300_000);
  expect(line["sent"]).toBeGreaterThan(300_000);
});

test("a socket that the service closes is closed for the caller", async () => {
  const socket = open(ground.good);
  await once(socket, "message");
  for (const one of sockets.clients) one.close(4000, "enough");
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([4000, "enough"]);
});

test("whoever gets no connection to the service in time is told so", async () => {
  const busy = createServer(() => undefined); // keeps whoever asks waiting
  const upstreams = { busy: { url: await listenOn(busy), connections: 1, connectTime: "100ms" } };
  const routes = [{ path: "/**", upstream: "busy", upgrade: ["websocket"] }];
  const gateway = ground.scene.enforcer.createGateway({ upstreams, routes }, ground.scene.certificate);
  const busyUrl = await ground.scene.listen(gateway.server);
  const waiting = await tlsTo(busyUrl, ground.good);
  const asked = once(busy, "request");
  waiting.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await asked;
  const socket = await tlsTo(busyUrl, ground.good);
  socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 504 /);
  expect(answer.toString()).toContain("UPSTREAM_TIMEOUT");
  expect(ground.scene.log).toContainEqual(
    expect.objectContaining({
      ...{ message: "call", status: 504, code: "UPSTREAM_TIMEOUT" },
      ...{ address: "127.0.0.1", host: "127.0.0.1", httpVersion: "1.1" },
    }),
  );
  waiting.destroy();
  busy.closeAllConnections();
  busy.close();
  await gateway.close();
});

test("a service that refuses is heard", async () => {
  const socket = open(ground.good, "/refused");
  const [, response] = (await once(socket, "unexpected-response")) as [
    unknown,
    { statusCode: number; headers: object },
  ];
  expect(response.statusCode).toBe(403);
  expect(response.headers).toMatchObject({ "x-why": "so" });
  socket.on("error", () => undefined).terminate();
});

test.each([
  ["/plain", "GET", "websocket", "", 403, "UPGRADE_REFUSED", "/plain"],
  ["/chat", "GET", "h2c", "", 403, "UPGRADE_REFUSED", "/**"],
  ["/chat", "GET", "websocket, h2c", "", 403, "UPGRADE_REFUSED", "/**"],
  ["/chat", "POST", "websocket", "", 403, "UPGRADE_REFUSED", "/**"],
  ["/chat", "GET", "websocket", "Content-Length: 5\r\n", 403, "UPGRADE_REFUSED", "/**"],
  ["/admin", "GET", "websocket", "", 403, "SCOPE_MISSING", "/admin"],
  ["/%61dmin", "GET", "websocket", "", 403, "SCOPE_MISSING", "/admin"],
  ["/x/../admin", "GET", "websocket", "", 400, "TARGET_AMBIGUOUS", ""],
])("%s %s does not leave HTTP for %s (%j)", async (path, method, protocol, more, status, code, route) => {
  const socket = await tlsTo(url, ground.good);
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}\r\n`;
  const answer = await exchange(socket, head);
  expect(answer).toContain(`HTTP/1.1 ${String(status)} `);
  expect(answer).toContain(`"code":"${code}"`);
  const [, requestId] = /"requestId":"([^"]+)"/.exec(answer) ?? [];
  const line = ground.scene.log.find((one) => one["requestId"] === requestId);
  expect(line).toMatchObject({ message: "denied", code, path, ...(route !== "" && { route }) });
  socket.destroy();
});

test("a caller that stays after a refusal is let go", async () => {
  const socket = await tlsTo(url, ground.good, { allowHalfOpen: true } as object);
  const head =
    "GET /refused HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  expect(await exchange(socket, head, 100)).toMatch(/^HTTP\/1\.1 403 [^]*no$/);
  // This side does not end; once the other has, what is written resets the connection.
  await expect.poll(() => socket.destroyed || !socket.write("x") || socket.destroyed).toBe(true);
});
