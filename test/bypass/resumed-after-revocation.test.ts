import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();

test.each(tlsVersions)("a session of before a revocation is of no use after it: %s", async (version) => {
  const victim = await ground.scene.credential("acme");
  const { said, session } = await visit(ground, version, victim);
  expect(said).toBe("200 acme");
  await ground.scene.revoke(victim);
  await expect.poll(() => ground.answer(victim)).toBe("403 CERT_REVOKED");
  expect(await visit(ground, version, victim, { session })).toMatchObject({
    ...{ reused: true, said: "403 CERT_REVOKED" },
  });
});
