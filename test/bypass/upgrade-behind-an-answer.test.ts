import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const server = enforcer.createServer((_request, response) => {
    response.write("begun"); // and never ended
  }, certificate);
  enforcer.upgrade(server, (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
  url = await ground.scene.listen(server);
});

test("an upgrade behind an answer that is under way writes nothing into its midst", async () => {
  const socket = await ground.connect(ground.good, {}, url);
  const closed = once(socket, "close");
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  socket.write("GET /one HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await expect.poll(() => text).toContain("begun");
  socket.write("GET /two HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await closed;
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200"]);
});
