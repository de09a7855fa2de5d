import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { type CrlSource, crlSource } from "../../src/serve/crl-sources.ts";

// Somebody else's server, which answers as each test has it.
const asked: IncomingMessage[] = [];
let answer: (response: ServerResponse, request: IncomingMessage) => void;
let source: CrlSource;
const server = createServer((request, response) => {
  asked.push(request);
  answer(response, request);
});
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => server.close());
beforeEach(() => {
  asked.length = 0;
  source = crlSource(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/partner.crl`);
});

test("a URL is asked when half of the list's life has passed, and at least each hour; what is the same is not sent again", async () => {
  answer = (response, { headers }) => {
    if (headers["if-none-match"] === '"1"') response.writeHead(304).end();
    else response.writeHead(200, { etag: '"1"' }).end("a list");
  };
  expect(String(await source.read(0, undefined))).toBe("a list");
  expect(await source.read(MINUTE - 1, 20 * MINUTE)).toBeUndefined();
  expect(await source.read(10 * MINUTE - 1, 20 * MINUTE)).toBeUndefined();
  expect(asked).toHaveLength(1);
  expect(await source.read(10 * MINUTE, 20 * MINUTE)).toBeUndefined();
  expect(asked).toHaveLength(2);
  expect(await source.read(10 * MINUTE + HOUR - 1, 30 * DAY)).toBeUndefined();
  expect(asked).toHaveLength(2);
  expect(await source.read(10 * MINUTE + HOUR, 30 * DAY)).toBeUndefined();
  expect(asked).toHaveLength(3);
});

test.each([
  ["an error", (response: ServerResponse) => response.writeHead(500).end(), "answers 500"],
  [
    "a redirection",
    (response: ServerResponse) => response.writeHead(302, { location: "/other" }).end(),
    "fetch failed",
  ],
  ["a broken answer", (response: ServerResponse) => response.destroy(), "fetch failed"],
  [
    "more than a list may have",
    (response: ServerResponse) => {
      for (let i = 0; i < 65; i++) response.write(Buffer.alloc(1024 * 1024));
      response.end();
    },
    "larger than 64 MiB",
  ],
])("%s is a fault, and is tried again after a minute", async (_name, faulty, message) => {
  answer = faulty;
  await expect(source.read(0, 30 * DAY)).rejects.toThrow(message);
  expect(await source.read(MINUTE - 1, 30 * DAY)).toBeUndefined();
  answer = (response) => response.end("a list");
  expect(String(await source.read(MINUTE, 30 * DAY))).toBe("a list");
});

test("an answer that never comes does not hold up the end", async () => {
  answer = () => undefined;
  const reading = source.read(0, undefined);
  await expect.poll(() => asked.length).toBe(1);
  source.stop();
  await expect(reading).rejects.toThrow(/abort/i);
  server.closeAllConnections();
});
