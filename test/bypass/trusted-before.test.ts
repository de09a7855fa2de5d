import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { expiredSelfSigned } from "../support/library-certificates.ts";

const ground = bypassGround();

test("a certificate that was found good under other trust anchors is not good under these", async () => {
  const { good, scene } = ground;
  const { url, server } = await ground.listen();
  expect(await ground.answer(good, "/", url)).toBe("200 acme");
  const { cert: stranger } = await expiredSelfSigned();
  server.setSecureContext({ ...scene.certificate, ca: [stranger] });
  expect(await ground.answer(good, "/", url)).toBe("401 CERT_UNTRUSTED");
});
