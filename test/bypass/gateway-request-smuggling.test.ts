import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround({
  routes: [
    { path: "/**", upstream: "app" },
    { path: "/admin/**", upstream: "app", scopes: ["admin"] },
  ],
});

const HIDDEN = "GET /admin HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Client-Account: root\r\n\r\n";
const CHUNKED = "Transfer-Encoding: chunked";
const chunks = (first: string, rest = "\r\n0\r\n\r\n"): string =>
  `${CHUNKED}\r\n\r\n${first}${rest}${HIDDEN}`;

test.concurrent.each([
  ["a length, and chunks", `Content-Length: 5\r\n${CHUNKED}\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks, and a length", `${CHUNKED}\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks that are none", `Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["an encoding behind the chunks", `${CHUNKED}, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["an encoding that is none", `Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["an encoding in quotes", `Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a space before the colon", `Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a tab before the colon", `Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a control before the value", `Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a NUL in the name", `Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a line that ends in LF alone", `X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a line that ends in CR alone", `X-A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a head that ends in LF alone", `Content-Length: 5\n\n${HIDDEN}`],
  ["a folded length", `Content-Length:\r\n 5\r\n\r\nhello${HIDDEN}`],
  ["a folded header that has a length", `X-A: b\r\n\tContent-Length: 5\r\n\r\n${HIDDEN}`],
  ["a first header that is folded", ` Content-Length: 5\r\n\r\nhello${HIDDEN}`],
  ["two lengths", `Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello${HIDDEN}`],
  ["the same length twice", `Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello${HIDDEN}`],
  ["a list of lengths", `Content-Length: 5, 5\r\n\r\nhello${HIDDEN}`],
  ["a length with a sign", `Content-Length: +5\r\n\r\nhello${HIDDEN}`],
  ["a length below zero", `Content-Length: -1\r\n\r\nhello${HIDDEN}`],
  ["a length in base 16", `Content-Length: 0x5\r\n\r\nhello${HIDDEN}`],
  ["a length in two pieces", `Content-Length: 1 2\r\n\r\nhello${HIDDEN}`],
  ["a length beyond 64 bits", `Content-Length: 18446744073709551621\r\n\r\nhello${HIDDEN}`],
  ["a chunk's size that is none", chunks("5g\r\nhello")],
  ["a chunk's size with a prefix", chunks("0x5\r\nhello")],
  ["a chunk's size below zero", chunks("-5\r\nhello")],
  ["a chunk's size with a sign", chunks("+5\r\nhello")],
  ["a chunk's size behind a space", chunks(" 5\r\nhello")],
  ["a chunk's size beyond 64 bits", chunks("10000000000000005\r\nhello")],
  ["a chunk's size that ends in LF alone", chunks("5\nhello")],
  ["an extension with LF in it", chunks("5;a\nb\r\nhello")],
  ["an extension with CR in it", chunks("5;a\rb\r\nhello")],
  ["a chunk that is longer than it says", chunks("5\r\nhelloX")],
  ["a chunk that ends in LF alone", chunks("5\r\nhello", "\n0\r\n\r\n")],
  ["two versions", undefined, "POST / HTTP/1.1 HTTP/1.1"],
  ["a version that there is not", undefined, "POST / HTTP/1.2"],
  ["a version in small letters", undefined, "POST / http/1.1"],
  ["no version", undefined, "POST /"],
  ["a request line that ends in LF alone", undefined, "POST / HTTP/1.1\nX-A: b"],
  ["a NUL in the target", undefined, "POST /\0 HTTP/1.1"],
])("what services read differently is refused: %s", async (name, rest, line = "POST / HTTP/1.1") => {
  const id = encodeURIComponent(name);
  const asked = line.replace("/", `/${id}/`);
  const socket = await tlsTo(ground.url, ground.good);
  const answer = await exchange(
    socket,
    Buffer.from(`${asked}\r\nHost: 127.0.0.1\r\n${rest ?? `\r\n${HIDDEN}`}`, "latin1"),
  );
  socket.destroy();
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 400"]);
  // Where the head was right, the service has heard of it by then; of nothing else.
  const came = ground.asked.filter(({ target }) => target.includes(id) || target.startsWith("/admin"));
  expect(came.length).toBeLessThan(2);
  for (const { target, headers } of came) {
    expect(target).toBe(`/${id}/`);
    expect(headers["x-client-account"]).toBe("acme");
  }
});
