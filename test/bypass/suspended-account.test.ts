import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("an account that is suspended is refused on open connections, which stay open", async () => {
  await ground.scene.account("held");
  const socket = await ground.connect(await ground.scene.credential("held"));
  expect(saidIn(await ask(socket))).toBe("200 held");
  await ground.scene.suspendAccount("held");
  await ground.scene.applied();
  expect(saidIn(await ask(socket))).toBe("403 ACCOUNT_SUSPENDED");
  expect(saidIn(await ask(socket))).toBe("403 ACCOUNT_SUSPENDED");
  socket.destroy();
});
