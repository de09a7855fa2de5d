import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("a body that never says how long it is is cut off", async () => {
  const { url } = await ground.listen({ limits: { bodySize: 4096 } }, (request, response) => {
    request.resume().on("end", () => response.end("all of it"));
  });
  const socket = await ground.connect(ground.good, {}, url);
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString()));
  socket.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const chunk = `400\r\n${"x".repeat(1024)}\r\n`;
  const closed = once(socket, "close");
  for (let i = 0; i < 8; i++) socket.write(chunk);
  socket.write("0\r\n\r\n");
  await closed;
  expect(text).toBe("");
});
