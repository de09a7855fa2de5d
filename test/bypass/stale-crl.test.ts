import { expect, test } from "vitest";
import { createEnforcer } from "../../src/index.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { changeConfig } from "../support/change-config.ts";
import { admin } from "../support/command.ts";
import { staleAuthority } from "../support/foreign-authority.ts";

const ground = bypassGround();

test("another CA's stale CRL lets nobody in whom it lists, and keeps nobody out whom it doesn't", async () => {
  const { scene } = ground;
  const { ca, crl, listed, unlisted } = await staleAuthority(scene.home);
  changeConfig(scene.home, { trust: [{ name: "partner", ca, crl }] });
  for (const { file } of [listed, unlisted])
    await admin(scene.home, "credential", "register", file, "--account", "acme");
  const told: string[] = [];
  const say = (_fields: object, message: string): void => void told.push(message);
  const enforcer = await createEnforcer({
    home: scene.home,
    logger: { info: say, warn: say, error: say },
  });
  try {
    const server = enforcer.createServer((_request, response, { account }) => {
      response.end(account);
    }, scene.certificate);
    const url = await scene.listen(server);
    expect(told).toContain("a CA's CRL is past its nextUpdate: what it lists stays denied");
    expect(await ground.answer(listed, "/", url)).toBe("403 CERT_REVOKED");
    expect(await ground.answer(unlisted, "/", url)).toBe("200 acme");
  } finally {
    await enforcer.close();
  }
});
