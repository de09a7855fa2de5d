import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();

test.each(tlsVersions)("ticket keys end with their context, even given ones: %s", async (version) => {
  const { good, scene } = ground;
  const { url, server } = await ground.listen();
  const options = scene.enforcer.tlsOptions(scene.certificate);
  const { session } = await visit(ground, version, good, { url });
  server.setSecureContext({ ...options, ticketKeys: Buffer.alloc(48, 7) });
  const between = await visit(ground, version, good, { url, session });
  expect(between).toMatchObject({ reused: false, said: "200 acme" });
  server.setSecureContext({ ...options, ticketKeys: Buffer.alloc(48, 7) });
  expect((await visit(ground, version, good, { url, session: between.session })).reused).toBe(false);
});
