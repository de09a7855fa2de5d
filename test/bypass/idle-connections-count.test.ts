import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("connections that ask nothing take places too", async () => {
  await ground.scene.account("hoarder");
  const hoarder = await ground.scene.credential("hoarder");
  await ground.scene.limit("hoarder", { maxConnections: 2 });
  const idle = [await ground.connect(hoarder), await ground.connect(hoarder)];
  await expect.poll(() => ground.answer(hoarder)).toBe("429 CONNECTION_LIMIT");
  const [first] = idle;
  if (!first) throw new TypeError("there are two");
  expect(saidIn(await ask(first))).toBe("200 hoarder");
  for (const socket of idle) socket.destroy();
});
