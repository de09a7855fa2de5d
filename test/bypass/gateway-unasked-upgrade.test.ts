import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { OK, rawUpstream } from "../support/raw-upstream.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();
const raw = rawUpstream(ground, [{ path: "/**", upstream: "raw", upgrade: ["websocket"], answerTime: "5s" }]);

const asking = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

test.each([
  ["GET", "", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
  ["POST", "Content-Length: 5\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
  ["GET", "Upgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
  ["GET", "Connection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
  ["GET", "", ""],
  ["POST", "Content-Length: 5\r\n", "Connection: keep-alive\r\n"],
  ["GET", asking, "Connection: Upgrade\r\nUpgrade: h2c\r\n"],
  ["GET", asking, "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"],
  ["GET", asking, "Connection: Upgrade\r\n"],
  ["GET", asking, ""],
])("%s with %j, answered 101 with %j, stays HTTP", async (method, sent, answered) => {
  raw.answer = () => `HTTP/1.1 101 Switching Protocols\r\n${answered}\r\n${OK}`;
  const socket = await tlsTo(raw.url, ground.good);
  const body = method === "POST" ? "hello" : "";
  const answer = await exchange(socket, `${method} /x HTTP/1.1\r\nHost: 127.0.0.1\r\n${sent}\r\n${body}`, 50);
  socket.destroy();
  expect(answer.match(/HTTP\/1\.1 \d+|"code":"\w+"|ok/g)).toEqual([
    "HTTP/1.1 502",
    '"code":"UPSTREAM_FAILED"',
  ]);
});
