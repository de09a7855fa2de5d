import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

test("CONNECT on a stream leads nowhere, and its extended form is not offered (RFC 8441)", async () => {
  const session = await openSession(url, ground.good);
  expect(session.remoteSettings.enableConnectProtocol).toBe(false);
  const stream = session.request({ ":method": "CONNECT", ":authority": "127.0.0.1:22" });
  stream.on("error", () => undefined).resume();
  const [headers] = (await once(stream, "response")) as [{ ":status": number }];
  expect(headers[":status"]).toBe(405);
  expect((await ask(session, "/")).text).toBe("acme");
  session.destroy();
});
