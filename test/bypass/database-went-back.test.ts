import { join } from "node:path";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { backUp, fromOutside } from "../support/restored.ts";

const ground = bypassGround();

test("a backup that is restored under a server lets nobody back in who was revoked, nor in who is on record no more", async () => {
  const { scene } = ground;
  const revoked = await scene.credential("acme");
  expect(await ground.answer(revoked)).toBe("200 acme");
  const restore = await backUp(fromOutside(join(scene.home, "countersign.sqlite")));
  const later = await scene.credential("acme");
  expect(await ground.answer(later)).toBe("200 acme");
  await scene.revoke(revoked);
  await expect.poll(() => ground.answer(revoked)).toBe("403 CERT_REVOKED");
  await restore();
  await expect.poll(() => ground.answer(later)).toBe("403 CERT_UNKNOWN");
  expect(await ground.answer(revoked)).toBe("403 CERT_REVOKED");
  expect(await ground.answer(ground.good)).toBe("200 acme");
});
