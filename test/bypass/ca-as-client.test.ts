import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { certifiedByHome } from "../support/impostors.ts";
import { putOnRecord } from "../support/on-record.ts";

const ground = bypassGround();

test("a CA's certificate is no caller's, though it be on record and for clients", async () => {
  const wanted = { purposes: ["clientAuth"], isCa: true } as const;
  const { key, cert } = await certifiedByHome(ground.scene.home, "root", wanted);
  await putOnRecord(ground.scene, ground.good, cert);
  expect(await ground.answer({ key, cert })).toBe("403 CERT_PURPOSE");
});
