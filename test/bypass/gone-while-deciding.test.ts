import { createSecureServer } from "node:http2";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";
import { get, preface, rawHttp2, reset } from "../support/http2-frames.ts";

const ground = bypassGround();

test("who resets a request before it is decided on is refused, and ends no process", async () => {
  const { enforcer, certificate } = ground.scene;
  const decided: string[] = [];
  const server = createSecureServer(
    enforcer.tlsOptions(certificate, { http2: true }),
    (request, response) => {
      void (async () => {
        await setTimeout(20); // for the body, or a route
        const decision = await enforcer.authorize(request);
        decided.push(decision.allowed ? "allowed" : decision.code);
        if (decision.allowed) response.end(decision.caller.account);
        else enforcer.deny(response, decision);
      })();
    },
  );
  enforcer.guard(server, certificate);
  const url = await ground.scene.listen(server);
  const { host } = new URL(url);
  const request = Buffer.concat([preface(), get(1, host)]);
  (await rawHttp2(url, {})).write(Buffer.concat([request, reset(1)]));
  const leaving = await rawHttp2(url, {});
  leaving.write(request, () => leaving.end());
  await expect.poll(() => decided).toHaveLength(2);
  expect(decided).toContain("STATUS_UNAVAILABLE");
  const session = await openSession(url, ground.good);
  expect((await ask(session, "/")).text).toBe("acme");
  session.destroy();
});
