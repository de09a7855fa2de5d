import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();

test.each(tlsVersions)("a ticket of one listener is not honoured by another: %s", async (version) => {
  const { good } = ground;
  const { url } = await ground.listen();
  const { session } = await visit(ground, version, good);
  expect((await visit(ground, version, good, { session })).reused).toBe(true);
  expect(await visit(ground, version, good, { session, url })).toMatchObject({
    ...{ reused: false, said: "200 acme" },
  });
});
