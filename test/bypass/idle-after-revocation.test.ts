import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("a connection that asks nothing is closed; nobody else's is", async () => {
  const [victim, other] = [await ground.scene.credential("acme"), await ground.scene.credential("acme")];
  const [idle, others] = [await ground.connect(victim), await ground.connect(other)];
  const closed = once(idle, "close");
  await ground.scene.revoke(victim);
  await closed;
  expect(others.readyState).toBe("open");
  others.destroy();
});
