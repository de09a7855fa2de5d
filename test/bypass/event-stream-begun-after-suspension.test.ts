import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import type { TestCredential } from "../support/client.ts";

const ground = bypassGround();
let url: string;
const begun = Promise.withResolvers<undefined>();
const asked = Promise.withResolvers<undefined>();
beforeAll(async () => {
  ({ url } = await ground.listen({}, (incoming, response) => {
    const begin = (): void => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: on\n\n");
    };
    if (incoming.url === "/later") void begun.promise.then(begin);
    else begin();
    asked.resolve(undefined);
  }));
});

function events({ key, cert, ca }: TestCredential, path: string) {
  const sent = request(url + path, { key, cert, ca, agent: false }).end();
  return sent.on("error", () => undefined);
}

test("what was let through before a suspension begins no event stream after it", async () => {
  const victim = await ground.scene.credential("acme");
  const sent = events(victim, "/later");
  let bytes = "";
  sent.on("response", (response: IncomingMessage) =>
    response.on("error", () => undefined).on("data", (part: Buffer) => (bytes += part.toString())),
  );
  await asked.promise;
  await ground.scene.suspend(victim);
  await ground.scene.applied();
  const ended = new Promise((resolve) => sent.once("close", resolve));
  begun.resolve(undefined);
  await ended;
  expect(bytes).toBe("");
});
