import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { certifiedByHome } from "../support/impostors.ts";
import { putOnRecord } from "../support/on-record.ts";

const ground = bypassGround();

// OpenSSL takes a certificate without the extension for every purpose.
test.each([
  ["no extended key usage", []],
  ["serverAuth only", ["serverAuth"]],
] as const)("on record, signed by us, %s", async (_name, purposes) => {
  const { key, cert } = await certifiedByHome(ground.scene.home, "issuer", { purposes });
  await putOnRecord(ground.scene, ground.good, cert);
  expect(await ground.answer({ key, cert })).toBe("403 CERT_PURPOSE");
});
