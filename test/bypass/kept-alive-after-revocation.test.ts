import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("the next request on a connection that asked before is refused", async () => {
  const victim = await ground.scene.credential("acme");
  const socket = await ground.connect(victim);
  expect(saidIn(await ask(socket))).toBe("200 acme");
  expect(saidIn(await ask(socket))).toBe("200 acme");
  await ground.scene.revoke(victim);
  await ground.scene.applied();
  const refused = await ask(socket);
  expect(saidIn(refused)).toBe("403 CERT_REVOKED");
  expect(refused).toMatch(/^Connection: close\r$/im);
});
