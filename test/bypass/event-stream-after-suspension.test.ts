import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import type { TestCredential } from "../support/client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  ({ url } = await ground.listen({}, (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: on\n\n");
  }));
});

function events({ key, cert, ca }: TestCredential) {
  const sent = request(url, { key, cert, ca, agent: false }).end();
  return sent.on("error", () => undefined);
}

test("an event stream ends when its credential, or its account, is suspended; nobody else's does", async () => {
  await ground.scene.account("held");
  const [one, two] = [await ground.scene.credential("acme"), await ground.scene.credential("held")];
  const streams = [];
  for (const credential of [one, two, ground.good]) {
    const [response] = (await once(events(credential), "response")) as [IncomingMessage];
    streams.push(response.on("error", () => undefined).resume());
  }
  const [ofOne, ofTwo, others] = streams;
  if (!ofOne || !ofTwo || !others) throw new TypeError("there are three");
  const ended = [ofOne, ofTwo].map((stream) => new Promise((resolve) => stream.once("close", resolve)));
  await ground.scene.suspend(one);
  await ground.scene.suspendAccount("held");
  await Promise.all(ended);
  expect(others.closed).toBe(false);
  others.destroy();
});
