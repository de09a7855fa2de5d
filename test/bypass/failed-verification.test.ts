import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { expiredSelfSigned } from "../support/library-certificates.ts";

const ground = bypassGround();

test("who fails verification is told so, and the log has it", async () => {
  expect(await ground.answer(await expiredSelfSigned(), "/orders")).toBe("401 CERT_UNTRUSTED");
  const line = { message: "denied", code: "CERT_UNTRUSTED", path: "/orders", address: "127.0.0.1" };
  expect(ground.scene.log).toContainEqual(expect.objectContaining(line));
});
