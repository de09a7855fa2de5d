import { expect, test } from "vitest";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();

test("a copied key that is renewed first is found out by its owner, and neither goes on", async () => {
  const { ground } = on;
  const owner = await ground.credential();
  const thief = await ground.renew(owner);
  expect(await ground.call(thief)).toBe("200");
  expect(await ground.answer(owner)).toBe("409 RENEWED_BEFORE");
  // The answer has come when it holds: on the next call.
  for (const each of [owner, thief]) {
    expect(await ground.call(each)).toBe("403 CERT_SUSPENDED");
    expect(await ground.answer(each)).toBe("403 CERT_SUSPENDED");
  }
  expect(ground.errors).toMatchObject([{ cause: "renewed-twice", fingerprint: owner.fingerprint }]);
});

test("a copy that comes after the owner, later in the line, ends as well", async () => {
  const { ground } = on;
  const owner = await ground.credential();
  const second = await ground.renew(owner);
  const third = await ground.renew(second);
  expect(await ground.answer(second)).toBe("409 RENEWED_BEFORE");
  for (const each of [owner, second, third]) expect(await ground.call(each)).toBe("403 CERT_SUSPENDED");
});
