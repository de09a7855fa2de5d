import type { Duplex } from "node:stream";
import { beforeAll, expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround({
  routes: [
    { path: "/**", upstream: "app" },
    { path: "/chat", upstream: "app", upgrade: ["websocket"] },
  ],
});
/** A service that leaves HTTP for whatever it is asked. */
let left = 0;
beforeAll(() => {
  ground.service.on("upgrade", (request, socket: Duplex) => {
    left += 1;
    socket.on("error", () => undefined);
    const protocol = String(request.headers.upgrade);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
  });
});

const asked = async (path: string, protocol: string): Promise<string> => {
  const socket = await tlsTo(ground.url, ground.good);
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
  const answer = await exchange(socket, head, 50);
  socket.destroy();
  return (answer.match(/ \d{3} |"code":"\w+"/g) ?? []).join("").trim();
};

test("a connection leaves HTTP for what its route allows, and nothing else", async () => {
  expect(await asked("/chat", "websocket")).toBe("101");
  expect(left).toBe(1);
  const others = [
    "/plain websocket",
    "/chat h2c",
    "/chat connect-udp",
    "/chat tls/1.2",
    "/chat websocket, h2c",
  ];
  for (const other of others) {
    const [path = "", ...protocol] = other.split(" ");
    expect(await asked(path, protocol.join(" ")), other).toBe('403 "code":"UPGRADE_REFUSED"');
  }
  expect(left).toBe(1);
});
