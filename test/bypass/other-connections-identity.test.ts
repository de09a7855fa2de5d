import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();
const request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

async function bodies(socket: TLSSocket, count: number): Promise<string[]> {
  let text = "";
  const found = (): string[] =>
    [...text.matchAll(/\r\n\r\n(acme|other)(?=HTTP|$)/g)].map(([, who = ""]) => who);
  while (found().length < count)
    text += String(await once(socket, "data").then(([piece]) => piece as Buffer));
  return found();
}

test("two callers at once, with requests in a row, stay apart", async () => {
  await ground.scene.account("other");
  const one = await ground.connect(ground.good);
  const two = await ground.connect(await ground.scene.credential("other"));
  const answers = [bodies(one, 3), bodies(two, 3)];
  one.write(request);
  two.write(request + request);
  one.write(request + request);
  two.write(request);
  expect(await Promise.all(answers)).toEqual([Array(3).fill("acme"), Array(3).fill("other")]);
  const nobody = await ground.connect({});
  expect(saidIn(await ask(nobody))).toBe("401 CERT_REQUIRED");
  for (const socket of [one, two, nobody]) socket.destroy();
});
