import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { bypassGround } from "../support/bypass-ground.ts";
import type { TestCredential } from "../support/client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const server = enforcer.createServer((_request, response) => response.end(), certificate);
  const sockets = new WebSocketServer({ noServer: true });
  enforcer.upgrade(server, (...[request, socket, head]) => {
    sockets.handleUpgrade(request, socket, head, () => undefined);
  });
  url = (await ground.scene.listen(server)).replace("https:", "wss:");
});

async function open({ key, cert, ca }: TestCredential): Promise<WebSocket> {
  const socket = new WebSocket(url, { key, cert, ca });
  socket.on("error", () => undefined);
  await once(socket, "open");
  return socket;
}

test("a WebSocket ends with its credential, and on a suspension; nobody else's does", async () => {
  const [revoked, suspended] = [await ground.scene.credential("acme"), await ground.scene.credential("acme")];
  const [one, two, others] = [await open(revoked), await open(suspended), await open(ground.good)];
  const ended = [once(one, "close"), once(two, "close")];
  await ground.scene.revoke(revoked);
  await ground.scene.suspend(suspended);
  await Promise.all(ended);
  expect(others.readyState).toBe(WebSocket.OPEN);
  others.terminate();
});
