import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test.each([
  ["a length, and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked"],
  ["two lengths", "Content-Length: 5\r\nContent-Length: 6"],
  ["a length that is none", "Content-Length: +5"],
  ["chunks, and something that is not", "Transfer-Encoding: chunked, identity"],
  ["a folded header", "X-Folded: a\r\n b"],
])("a request that others may read differently is refused: %s", async (_name, headers) => {
  const socket = await ground.connect(ground.good);
  expect(await ask(socket, `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}`)).toMatch(/^HTTP\/1\.1 400 /);
});
