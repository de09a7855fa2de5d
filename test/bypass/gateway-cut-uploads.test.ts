import type { RequestListener } from "node:http";
import { beforeAll, expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { data, fields, preface, rawHttp2, reset } from "../support/http2-frames.ts";
import { tlsTo } from "../support/tls-to.ts";

/** How each request ended for the service: whole, or cut. */
const ends: string[] = [];
const began = { count: 0 };
const handler: RequestListener = (request, response) => {
  request.once("data", () => (began.count += 1));
  request.resume().once("close", () => {
    ends.push(request.complete ? "whole" : "cut");
  });
  request.once("end", () => response.end("ok"));
};

const ground = gatewayGround({ handler });
let http2 = "";
beforeAll(async () => {
  http2 = await ground.listen([{ path: "/**", upstream: "app" }], { http2: true });
});

const POST = "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n";

/** What the service makes of a request whose caller goes when some of its body has arrived. */
async function endOf(begin: () => Promise<() => void>): Promise<string> {
  [began.count, ends.length] = [0, 0];
  const leave = await begin();
  await expect.poll(() => began.count).toBe(1);
  leave();
  await expect.poll(() => ends.length).toBe(1);
  // And whoever is next is none the worse for it.
  const socket = await tlsTo(ground.url, ground.good);
  const next = await exchange(socket, `${POST}Connection: close\r\nContent-Length: 2\r\n\r\nhi`);
  expect(next).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nok$/);
  expect(ends[1]).toBe("whole");
  return String(ends[0]);
}

test.each([
  ["of a length", "Content-Length: 10\r\n\r\nhello"],
  ["in chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
  ["in chunks, in the middle of one", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"],
])("a body %s that breaks off never looks whole", async (_name, rest) => {
  for (const way of ["destroy", "end"] as const) {
    const end = await endOf(async () => {
      const socket = await tlsTo(ground.url, ground.good);
      socket.write(`${POST}${rest}`);
      return () => void socket[way]();
    });
    expect(end).toBe("cut");
  }
});

test("nor one in chunks of which one is malformed", async () => {
  const end = await endOf(async () => {
    const socket = await tlsTo(ground.url, ground.good);
    socket.write(`${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    return () => void socket.write("0x0\r\n\r\n");
  });
  expect(end).toBe("cut");
});

test.each([
  ["NO_ERROR", 0],
  ["INTERNAL_ERROR", 2],
  ["CANCEL", 8],
])("nor one on a stream that is reset with %s", async (_name, code) => {
  const end = await endOf(async () => {
    const socket = await rawHttp2(http2, ground.good);
    const pseudo = { ":method": "POST", ":scheme": "https", ":authority": "127.0.0.1", ":path": "/x" };
    socket.write(Buffer.concat([preface(), fields(1, Object.entries(pseudo), false), data(1, "hello")]));
    return () => {
      socket.write(reset(1, code));
      setTimeout(() => socket.destroy(), 200);
    };
  });
  expect(end).toBe("cut");
});

test("nor one on a session that breaks off", async () => {
  const end = await endOf(async () => {
    const socket = await rawHttp2(http2, ground.good);
    const pseudo = { ":method": "POST", ":scheme": "https", ":authority": "127.0.0.1", ":path": "/x" };
    socket.write(Buffer.concat([preface(), fields(1, Object.entries(pseudo), false), data(1, "hello")]));
    return () => void socket.end();
  });
  expect(end).toBe("cut");
});
