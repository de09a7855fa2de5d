import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test.each(["127.0.0.1:22", "/"])("CONNECT %s leads nowhere", async (target) => {
  const socket = await ground.connect(ground.good);
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString("latin1")));
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await once(socket, "close");
  expect(text).not.toMatch(/^HTTP\/1\.1 2/);
});
