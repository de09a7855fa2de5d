import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import type { TestCredential } from "../support/client.ts";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { OK, rawUpstream } from "../support/raw-upstream.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();
const raw = rawUpstream(ground, undefined, { connections: 1 });
let other: TestCredential;
beforeAll(async () => {
  await ground.scene.account("other");
  other = await ground.scene.credential("other");
});

const answer = (text: string, more = ""): string =>
  `HTTP/1.1 200 OK\r\n${more}Content-Length: ${String(text.length)}\r\n\r\n${text}`;
const STRAY = answer("stray");

async function ask(who: TestCredential, method = "GET"): Promise<string> {
  const socket = await tlsTo(raw.url, who);
  const said = await exchange(
    socket,
    `${method} /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
  );
  socket.destroy();
  return said;
}

test.each([
  ["two answers", "GET", answer("first") + STRAY],
  ["a body that is longer than it says", "GET", `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst${STRAY}`],
  [
    "a body where there is none",
    "HEAD",
    `HTTP/1.1 200 OK\r\nContent-Length: ${String(STRAY.length)}\r\n\r\n${STRAY}`,
  ],
  ["a body of 204", "GET", `HTTP/1.1 204 No Content\r\n\r\n${STRAY}`],
  ["a body of 304", "GET", `HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n${STRAY}`],
  [
    "something behind the last chunk",
    "GET",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${STRAY}`,
  ],
  ["a length, and chunks", "GET", answer("0\r\n\r\n", "Transfer-Encoding: chunked\r\n") + STRAY],
  ["two lengths", "GET", answer("first", "Content-Length: 0\r\n") + STRAY],
  ["a line break in a header", "GET", answer("first", "X-A: b\n\n") + STRAY],
  ["an interim answer behind it", "GET", `${answer("first")}HTTP/1.1 103 Early Hints\r\n\r\n`],
  ["half an answer behind it", "GET", `${answer("first")}HTTP/1.1 200 OK\r\nContent-Length: 100\r\n`],
])("nobody gets what came too much: %s", async (_name, method, said) => {
  const asked = Promise.withResolvers<undefined>();
  raw.answer = (request, socket) => {
    if (!request.includes("X-Client-Account: acme")) return OK;
    asked.resolve(undefined);
    setTimeout(() => socket.write(said), 30); // by when the second call waits for the first one's connection
    return undefined;
  };
  const [first, second] = await Promise.all([ask(ground.good, method), asked.promise.then(() => ask(other))]);
  expect(first.slice(9)).not.toContain("HTTP/1.1");
  expect(first).not.toMatch(/stray$/);
  expect(second).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/);
  expect(await ask(other)).toMatch(/\r\n\r\nok$/);
});

test("nor what comes when nobody has asked", async () => {
  raw.answer = (request, socket) => {
    if (request.includes("X-Client-Account: acme")) setTimeout(() => socket.write(STRAY), 10);
    return OK;
  };
  expect(await ask(ground.good)).toMatch(/\r\n\r\nok$/);
  await expect.poll(() => raw.connections.length).toBeGreaterThan(0);
  await wait(30);
  expect(await ask(other)).toMatch(/\r\n\r\nok$/);
});
