import { createServer } from "node:https";
import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("an answer that somebody began before the decision is cut off by a denial", async () => {
  const { enforcer, certificate } = ground.scene;
  const express = enforcer.express();
  const server = createServer(enforcer.tlsOptions(certificate), (request, response) => {
    response.writeHead(200).write("early ");
    express(request, response, () => response.end("late"));
  });
  enforcer.guard(server, certificate);
  const url = await ground.scene.listen(server);
  const good = await ground.connect(ground.good, {}, url);
  expect(await ask(good)).toMatch(/^HTTP\/1\.1 200 /);
  good.destroy();
  const stranger = await ground.connect({}, {}, url);
  const closed = new Promise((resolve) => stranger.once("close", resolve));
  let text = "";
  stranger.on("data", (part: Buffer) => (text += part.toString()));
  stranger.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await closed;
  expect(text).not.toContain("late");
});
