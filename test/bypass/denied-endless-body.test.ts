import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("who is denied sends no more of a body that is beyond the limit", async () => {
  const suspended = await ground.scene.credential("acme");
  await ground.scene.suspend(suspended);
  await expect.poll(() => ground.answer(suspended)).toBe("403 CERT_SUSPENDED");
  const { url } = await ground.listen({ limits: { bodySize: 1024 } });
  const socket = await ground.connect(suspended, {}, url);
  const closed = once(socket, "close");
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  socket.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000000\r\n\r\n");
  await expect.poll(() => text).toContain("requestId");
  expect(saidIn(text)).toBe("403 CERT_SUSPENDED");
  expect(text).toMatch(/\r\nConnection: close\r\n/i);
  await closed;
});
