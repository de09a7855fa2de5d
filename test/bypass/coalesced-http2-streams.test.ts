import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const server = enforcer.createServer(
    (_request, response, { account }) => response.end(account),
    certificate,
    { http2: true },
  );
  url = await ground.scene.listen(server);
});

test("a session for one host carries no stream for another", async () => {
  const session = await openSession(url, ground.good);
  expect((await ask(session, "/")).text).toBe("acme");
  expect((await ask(session, "/", { ":authority": "other.internal" })).code).toBe("MISDIRECTED");
  expect((await ask(session, "/")).text).toBe("acme"); // and the session goes on
  session.destroy();
});
