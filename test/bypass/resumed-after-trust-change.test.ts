import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("a session that began under other trust anchors is not resumed", async () => {
  const { good } = ground;
  const before = await Promise.all(tlsVersions.map((version) => visit(ground, version, good)));
  for (const [index, version] of tlsVersions.entries()) {
    const again = await visit(ground, version, good, { session: before[index]?.session });
    expect(again).toMatchObject({ reused: true, said: "200 acme" });
  }
  const stranger = await ground.scene.installForeignIssuer();
  // It is off the record, but tells when its CA is trusted.
  await expect.poll(() => ground.answer(stranger)).toBe("403 CERT_UNKNOWN");
  for (const [index, version] of tlsVersions.entries()) {
    const after = await visit(ground, version, good, { session: before[index]?.session });
    expect(after).toMatchObject({ reused: false, said: "200 acme" });
  }
});
