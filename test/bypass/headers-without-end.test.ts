import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("more headers than are read are refused, not left out", async () => {
  const many = Array.from({ length: 150 }, (_, i) => `X-${String(i)}: 1`).join("\r\n");
  const socket = await ground.connect(ground.good);
  expect(await ask(socket, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${many}`)).toMatch(/^HTTP\/1\.1 431 /);
});
