import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";
import { get, preface, rawHttp2, reset } from "../support/http2-frames.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

test("a session that resets what it asks, over and over, is ended; nobody else's is", async () => {
  const others = await openSession(url, ground.good);
  const socket = await rawHttp2(url, await ground.scene.credential("acme"));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(preface());
  const streams = Array.from({ length: 500 }, (_none, index) => 2 * index + 1);
  socket.write(Buffer.concat(streams.flatMap((id) => [get(id, "127.0.0.1"), reset(id)])));
  await closed;
  expect(socket.destroyed).toBe(true);
  expect((await ask(others, "/")).text).toBe("acme");
  others.destroy();
});
