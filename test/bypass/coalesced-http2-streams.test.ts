import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

test("a session for one host carries no stream for another", async () => {
  const session = await openSession(url, ground.good);
  expect((await ask(session, "/")).text).toBe("acme");
  expect((await ask(session, "/", { ":authority": "other.internal" })).code).toBe("MISDIRECTED");
  expect((await ask(session, "/")).text).toBe("acme"); // and the session goes on
  session.destroy();
});
