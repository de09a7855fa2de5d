import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("a Host that was right before does not cover another one beside it", async () => {
  const socket = await ground.connect(ground.good);
  expect(saidIn(await ask(socket))).toBe("200 acme");
  const two = "GET / HTTP/1.1\r\nHost: other.internal\r\nHost: 127.0.0.1";
  expect(saidIn(await ask(socket, two))).toBe("421 MISDIRECTED");
});
