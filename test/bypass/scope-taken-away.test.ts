import { beforeAll, expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const needed = ground.scene.enforcer.requireScope("orders:read");
  ({ url } = await ground.listen({}, (request, response) => {
    needed(request, response, () => response.end("orders"));
  }));
});

test("a connection from before keeps no scope that its account has no more", async () => {
  await ground.scene.account("clerk", "orders:read", "orders:write");
  const socket = await ground.connect(await ground.scene.credential("clerk"), {}, url);
  expect(saidIn(await ask(socket))).toBe("200 orders");
  await ground.scene.permit("clerk", "orders:write");
  expect(saidIn(await ask(socket))).toBe("403 SCOPE_MISSING");
  await ground.scene.permit("clerk", "orders:read");
  expect(saidIn(await ask(socket))).toBe("200 orders");
  socket.destroy();
});
