import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { once } from "node:events";
import { openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2({ limits: { headerTime: 60_000 } });
});

test("a session that asks nothing is closed; nobody else's is", async () => {
  const [victim, other] = [await ground.scene.credential("acme"), await ground.scene.credential("acme")];
  const [idle, others] = [await openSession(url, victim), await openSession(url, other)];
  const closed = once(idle, "close");
  await ground.scene.revoke(victim);
  await closed;
  expect(others.closed).toBe(false);
  others.destroy();
});
