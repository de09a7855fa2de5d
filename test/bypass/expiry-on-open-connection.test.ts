import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("a connection that asks nothing does not outlive its certificate", async () => {
  const brief = await ground.scene.credential("acme", Date.now() + 1500);
  const socket = await ground.connect(brief);
  expect(await ground.answer(brief)).toBe("200 acme");
  await once(socket, "close");
  expect(await ground.answer(brief)).toBe("403 CERT_EXPIRED");
});
