import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { unsignedIssuer } from "../support/impostors.ts";
import { putIssuerOnRecord } from "../support/on-record.ts";

const ground = bypassGround();

test("an issuing CA on record does not replace our root's signature on it", async () => {
  const { scene, good } = ground;
  const { der, leaf } = await unsignedIssuer(scene.home);
  await putIssuerOnRecord(scene, der);
  expect(await ground.answer(leaf)).toBe("401 CERT_UNTRUSTED");
  const message = "a CA on record is not trusted: no root on record has signed it";
  expect(scene.log).toContainEqual(expect.objectContaining({ issuer: "second", message }));
  expect(await ground.answer(good)).toBe("200 acme");
});
