import { expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("a denied address is refused, however the rule is written, whatever is allowed", async () => {
  await ground.scene.account("moved");
  const socket = await ground.connect(await ground.scene.credential("moved"));
  expect(saidIn(await ask(socket))).toBe("200 moved");
  const allowIps = [parseCidr("0.0.0.0/0")];
  for (const range of ["127.0.0.0/8", "::ffff:127.0.0.1", "0:0:0:0:0:ffff:7f00:1/128"]) {
    await ground.scene.limit("moved", { allowIps, denyIps: [parseCidr(range)] });
    expect(saidIn(await ask(socket)), range).toBe("403 ADDRESS_NOT_ALLOWED");
  }
  socket.destroy();
});
