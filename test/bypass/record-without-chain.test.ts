import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { selfSignedLike } from "../support/impostors.ts";
import { putOnRecord } from "../support/on-record.ts";

const ground = bypassGround();

test("a fingerprint on record does not replace the chain to a CA that is trusted", async () => {
  const impostor = await selfSignedLike(ground.good);
  await putOnRecord(ground.scene, ground.good, impostor.cert);
  expect(await ground.answer(impostor)).toBe("401 CERT_UNTRUSTED");
});
