import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { withinLife } from "../support/within-life.ts";

const ground = bypassGround();

test("a connection that asks nothing does not outlive its certificate", async () => {
  const { brief, closed } = await withinLife(async (notAfter) => {
    const credential = await ground.scene.credential("acme", notAfter);
    const socket = await ground.connect(credential);
    const end = new Promise((resolve) => socket.once("close", resolve));
    expect(await ground.answer(credential)).toBe("200 acme");
    return { brief: credential, closed: end };
  });
  await closed;
  expect(await ground.answer(brief)).toBe("403 CERT_EXPIRED");
});
