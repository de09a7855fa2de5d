import { createServer } from "node:https";
import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const needed = enforcer.requireScope("orders:read");
  // An app that asks for a scope, and has forgotten the door: nobody has decided who is calling.
  const server = createServer(enforcer.tlsOptions(certificate), (request, response) => {
    needed(request, response, () => response.end("orders"));
  });
  enforcer.guard(server, certificate);
  url = await ground.scene.listen(server);
});

test("a scope that is asked for where nothing was decided lets nobody through", async () => {
  expect(await ground.answer(ground.good, "/", url)).toBe("503 STATUS_UNAVAILABLE");
  expect(await ground.answer({}, "/", url)).toBe("503 STATUS_UNAVAILABLE");
});
