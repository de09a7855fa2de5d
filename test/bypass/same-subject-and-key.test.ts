import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { selfSignedLike } from "../support/impostors.ts";

const ground = bypassGround();

test("with a caller's own key and name, but signed by nobody, it is another certificate", async () => {
  expect(await ground.answer(ground.good)).toBe("200 acme");
  expect(await ground.answer(await selfSignedLike(ground.good))).toBe("401 CERT_UNTRUSTED");
});
