import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();

async function ask(head: string, body = "") {
  ground.asked.length = 0;
  const socket = await tlsTo(ground.url, ground.good);
  const length = body === "" ? "" : `Content-Length: ${String(body.length)}\r\n`;
  const answer = await exchange(
    socket,
    `POST /x HTTP/1.1\r\nHost: 127.0.0.1:1\r\nX-Own: 1\r\n${length}${head}\r\n\r\n${body}`,
    50,
  );
  socket.destroy();
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  return ground.asked[0]?.headers ?? {};
}

test.each([
  "X-Client-Account, X-Client-Scopes, X-Client-Fingerprint",
  "close, X-Client-Account",
  "x-client-account",
  "X_Client_Account",
  "keep-alive\r\nConnection: X-Client-Account",
  "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via, X-Request-Id",
  "Host",
  "Content-Length",
  "Connection",
])("Connection: %s takes nothing away that we say", async (value) => {
  const headers = await ask(`Connection: ${value}\r\nX-Client-Account: root`, "hello");
  expect(headers).toMatchObject({
    ...{
      host: "127.0.0.1:1",
      "content-length": "5",
      "x-client-account": "acme",
      "x-client-scopes": "orders:read",
    },
    "x-client-fingerprint": ground.good.fingerprint,
    ...{ "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "127.0.0.1:1", "x-forwarded-proto": "https" },
    ...{
      via: expect.stringMatching(/^1\.1 countersign-/) as string,
      "x-request-id": expect.stringMatching(/^[\da-f-]{36}$/) as string,
    },
    connection: "keep-alive",
  });
});

test("what it names of the caller's own stays here, as does what is for this hop", async () => {
  const sent = [
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Proxy-Connection: close",
    "Proxy-Authorization: Basic eA==",
  ];
  const headers = await ask(
    ["Connection: X-Own, TE", ...sent, "HTTP2-Settings: AAMAAABk", "Upgrade: h2c"].join("\r\n"),
  );
  const own = [
    "x-own",
    "keep-alive",
    "te",
    "proxy-connection",
    "proxy-authorization",
    "http2-settings",
    "upgrade",
  ];
  expect(own.filter((name) => name in headers)).toEqual([]);
  expect(await ask("Accept: */*")).toMatchObject({ "x-own": "1" });
});
