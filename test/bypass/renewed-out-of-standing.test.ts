import { expect, test } from "vitest";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { keepAlive } from "../support/client.ts";
import { freshRequest } from "../support/client.ts";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();

test.each([
  ["suspended", "CERT_SUSPENDED"],
  ["revoked", "CERT_REVOKED"],
] as const)("one that was %s is not renewed, also on a connection that asked before", async (how, code) => {
  const { ground } = on;
  const own = await ground.credential();
  const agent = keepAlive(own);
  const { csr } = await freshRequest();
  expect((await ground.ask(own, "no CSR", { agent })).json["code"]).toBe("CSR_MALFORMED");
  await (how === "suspended" ? ground.suspend(own) : ground.revoke(own));
  const answer = await ground.ask(own, csr, { agent });
  expect(answer).toMatchObject({ status: 403, reusedSocket: true, json: { code } });
  agent.destroy();
  expect(await ground.answer(own)).toBe(`403 ${code}`);
  expect(await ground.database.renewals.byPredecessors([own.fingerprint as never])).toEqual([]);
});

test("one that has ended is not renewed, but where its profile says so, and for so long", async () => {
  const { ground } = on;
  const [ended, late, longEnded] = [
    await ground.credential("client", -DAY - HOUR),
    await ground.credential("late", -DAY - HOUR),
    await ground.credential("late", -2 * DAY - HOUR),
  ];
  expect(await ground.answer(ended)).toBe("403 CERT_EXPIRED");
  expect(await ground.answer(longEnded)).toBe("403 CERT_EXPIRED");
  expect(await ground.call(await ground.renew(late))).toBe("200");
  const held = await ground.credential("late", -DAY - HOUR);
  await ground.suspend(held);
  expect(await ground.answer(held)).toBe("403 CERT_SUSPENDED");
});
