import { expect, test } from "vitest";
import { parseSerial } from "../../src/domain/identifiers.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { signedOffRecord } from "../support/own-issuer.ts";

const ground = bypassGround();

test("a serial number alone is nobody's name", async () => {
  const serial = parseSerial(ground.good.serial);
  const twin = await signedOffRecord(ground.scene.home, { serial, commonName: "acme" });
  expect(await ground.answer(twin)).toBe("403 CERT_UNKNOWN");
});
