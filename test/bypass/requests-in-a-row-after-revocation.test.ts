import { once } from "node:events";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();
const request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

test("a request that waits behind another is decided on when it is read", async () => {
  const victim = await ground.scene.credential("acme");
  await ground.scene.applied();
  const asked = Promise.withResolvers<undefined>();
  const answer = Promise.withResolvers<undefined>();
  const { url } = await ground.listen({}, (_request, response, { account }) => {
    asked.resolve(undefined);
    void answer.promise.then(() => response.end(account));
  });
  const socket = await ground.connect(victim, {}, url);
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString("latin1")));
  socket.write(request);
  await asked.promise;
  await ground.scene.revoke(victim);
  await ground.scene.applied();
  socket.write(request);
  answer.resolve(undefined);
  await once(socket, "close");
  expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(["200", "403"]);
});
