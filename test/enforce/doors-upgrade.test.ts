import { once } from "node:events";
import type { Duplex } from "node:stream";
import { type Server, createServer } from "node:https";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type TestCredential, call } from "../support/client.ts";
import { sharedScene } from "../support/door-scene.ts";
import { withinLife } from "../support/within-life.ts";

let good: TestCredential;
let url: string;
const shared = sharedScene(async (scene) => {
  await scene.account("acme", "chat");
  await scene.account("poor");
  good = await scene.credential("acme");
  url = await scene.listen(guardedServer());
});

/** With WebSockets at `/chat`, for which a scope is needed, and `/open`. */
function guardedServer(): Server {
  const { enforcer, certificate } = shared.scene;
  const server = enforcer.createServer((_request, response) => {
    response.end("hello");
  }, certificate);
  const sockets = new WebSocketServer({ noServer: true });
  enforcer.upgrade(
    server,
    (request, socket, head, caller) => {
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.send(`hello ${caller.account} ${String(request.caller === caller)}`);
      });
    },
    { scopes: ["chat"], paths: ["/chat"] },
  );
  return server;
}

function webSocket(path: string, tls: object, at = url): WebSocket {
  const socket = new WebSocket(at.replace("https:", "wss:") + path, { ca: good.ca, ...tls });
  socket.on("error", () => undefined);
  return socket;
}

/** An open one, that has been greeted. */
async function greeted(credential: TestCredential): Promise<{ socket: WebSocket; text: string }> {
  const socket = webSocket("/chat", credential);
  const [message] = (await once(socket, "message")) as [Buffer];
  return { socket, text: message.toString() };
}

/** What answers an upgrade as it is written. */
async function upgrade(start: string, tls: object, at = url): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(at).port), ca: good.ca, ...tls });
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part));
  socket.on("error", () => undefined);
  const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  socket.write(
    `${start} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`,
  );
  await once(socket, "close");
  return text;
}

test("a WebSocket is let through with its caller", async () => {
  const { socket, text } = await greeted(good);
  expect(text).toBe("hello acme true");
  socket.terminate();
  expect((await call(url, { tls: good })).text).toBe("hello");
});

describe("is refused with a problem document, on a connection that is closed then", () => {
  test.each([
    ["without a certificate", "/chat", 401, "CERT_REQUIRED", () => Promise.resolve({})],
    ["without the scope", "/chat", 403, "SCOPE_MISSING", () => shared.scene.credential("poor")],
    ["at another path", "/elsewhere", 404, "NO_ROUTE", () => Promise.resolve(good)],
    ["at another path, without a certificate", "/elsewhere", 401, "CERT_REQUIRED", () => Promise.resolve({})],
  ])("%s", async (_name, path, status, code, tls) => {
    const text = await upgrade(`GET ${path}`, await tls());
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} .*Connection: close\r\n`, "s"));
    expect(text).toContain(`"code":"${code}"`);
    const [head = "", body = ""] = text.split("\r\n\r\n");
    expect(head).toContain(`Content-Length: ${String(Buffer.byteLength(body))}\r\n`);
    expect(head).toContain("Content-Type: application/problem+json");
  });
});

test.each([
  ["a revocation", "acme", (credential: TestCredential) => shared.scene.revoke(credential)],
  ["a suspension", "acme", (credential: TestCredential) => shared.scene.suspend(credential)],
  ["a suspension of the account", "doomed", () => shared.scene.suspendAccount("doomed")],
])("%s closes it at once, and no other", async (_name, account, end) => {
  const { scene } = shared;
  if (account === "doomed") await scene.account("doomed", "chat");
  const credential = await scene.credential(account);
  const [ending, other] = [await greeted(credential), await greeted(good)];
  const closed = once(ending.socket, "close");
  await end(credential);
  await closed;
  expect(other.socket.readyState).toBe(WebSocket.OPEN);
  other.socket.terminate();
  const { fingerprint } = credential;
  await expect
    .poll(() => scene.log)
    .toContainEqual(expect.objectContaining({ kind: "upgraded", fingerprint }));
});

test("the end of a certificate's life closes it at once", async () => {
  const { scene } = shared;
  const { closed } = await withinLife(async (notAfter) => {
    const { socket } = await greeted(await scene.credential("acme", notAfter));
    return { closed: new Promise((resolve) => socket.once("close", resolve)) };
  });
  await closed;
});

describe("without upgrade()", () => {
  test("an upgrade is an ordinary request, and CONNECT is hung up on", async () => {
    const { enforcer, certificate } = shared.scene;
    const server = enforcer.createServer((request, response) => {
      response.setHeader("Connection", "close").end(`${String(request.caller?.account)}, no upgrade`);
    }, certificate);
    const at = await shared.scene.listen(server);
    expect(await upgrade("GET /chat", good, at)).toMatch(/^HTTP\/1\.1 200 .*acme, no upgrade$/s);
    expect(await upgrade("GET /chat", {}, at)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await upgrade("CONNECT 127.0.0.1:1", good, at)).toBe("");
    expect(await upgrade("CONNECT 127.0.0.1:1", good)).toBe("");
  });

  test("a library's own listener is not let near a guarded server", () => {
    const { enforcer, certificate } = shared.scene;
    const server = createServer(enforcer.tlsOptions(certificate));
    enforcer.guard(server, certificate);
    expect(() => new WebSocketServer({ server })).toThrow("enforcer.upgrade()");
    const handler = (_request: unknown, socket: Duplex): void => {
      socket.destroy();
    };
    const unguarded = createServer(enforcer.tlsOptions(certificate));
    expect(() => {
      enforcer.upgrade(unguarded, handler);
    }).toThrow("guard()");
  });
});
