import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();
const LONG = 60_000;

/** What comes back until the other side closes, while an octet is sent again and again. */
async function dripping(limits: object, begun: string): Promise<string> {
  const { url } = await ground.listen({ limits }, (request, response) => {
    request.resume().on("end", () => response.end("whole"));
  });
  const socket = await ground.connect(ground.good, {}, url);
  let text = "";
  socket.on("data", (piece: Buffer) => (text += piece.toString()));
  socket.write(begun);
  const drip = setInterval(() => socket.write("x"), 50);
  try {
    // Not once(): a reset is an answer as good as any.
    await new Promise((resolve) => socket.on("error", () => undefined).once("close", resolve));
  } finally {
    clearInterval(drip);
  }
  return text;
}

test.concurrent.each([
  ["headers", { headerTime: 1000, requestTime: LONG }, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "],
  [
    "a body",
    { headerTime: 1000, requestTime: 1000 },
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n",
  ],
])("a connection on which %s drips for ever is cut", { timeout: 15_000 }, async (_name, limits, begun) => {
  expect(await dripping(limits, begun)).toMatch(/^(HTTP\/1\.1 408 [^]*)?$/);
});
