import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { signedOffRecord } from "../support/own-issuer.ts";

const ground = bypassGround();

test("a chain to our CA does not replace the record", async () => {
  expect(await ground.answer(await signedOffRecord(ground.scene.home))).toBe("403 CERT_UNKNOWN");
});
