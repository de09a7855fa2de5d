import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { renegotiate } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("a context with nothing but a renewed certificate trusts whom the one before did, and is no laxer", async () => {
  const { good, scene } = ground;
  const { url, server } = await ground.listen();
  // What Node trusts without `ca` are the public roots.
  server.setSecureContext({ ...scene.certificate });
  expect(await ground.answer(good, "/", url)).toBe("200 acme");
  const socket = await ground.connect(good, { maxVersion: "TLSv1.2" }, url);
  expect(await renegotiate(socket)).toBe("cut off");
});
