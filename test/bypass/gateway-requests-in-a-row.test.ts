import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { rawUpstream } from "../support/raw-upstream.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround({
  routes: [
    { path: "/**", upstream: "app" },
    { path: "/admin/**", upstream: "app", scopes: ["admin"] },
  ],
});
const raw = rawUpstream(ground);

const HOST = "Host: 127.0.0.1";
const HIDDEN = `GET /admin/x HTTP/1.1\r\n${HOST}\r\nX-Client-Account: root\r\nConnection: close\r\n\r\n`;

test.each([
  ["behind a body of a length", `Content-Length: 5\r\n\r\nhello`],
  [
    "behind chunks, with extensions and trailers",
    `Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX-Client-Account: root\r\n\r\n`,
  ],
  ["behind no body", "\r\n"],
  ["behind a length that only looks like one", "Content_Length: 500\r\n\r\n"],
  ["behind chunks that only look like it", "Transfer_Encoding: chunked\r\n\r\n"],
])("a request %s is decided on for itself", async (_name, rest) => {
  ground.asked.length = 0;
  const socket = await tlsTo(ground.url, ground.good);
  const answer = await exchange(socket, `POST /first HTTP/1.1\r\n${HOST}\r\n${rest}${HIDDEN}`);
  expect(answer.match(/HTTP\/1\.1 \d+|"code":"\w+"/g)).toEqual([
    ...["HTTP/1.1 200", "HTTP/1.1 403", '"code":"SCOPE_MISSING"'],
  ]);
  expect(ground.asked.map(({ target, headers }) => [target, headers["x-client-account"]])).toEqual([
    ["/first", "acme"],
  ]);
  expect(ground.asked[0]?.rawHeaders.filter((name) => name.includes("_"))).toEqual([]);
});

test.each([
  ["a length", `Content-Length: ${String(HIDDEN.length)}\r\n\r\n${HIDDEN}`],
  ["chunks", `Transfer-Encoding: chunked\r\n\r\n${HIDDEN.length.toString(16)};x\r\n${HIDDEN}\r\n0\r\n\r\n`],
])("a body stays one, as our side frames it: %s", async (_name, rest) => {
  raw.connections.length = 0;
  const socket = await tlsTo(raw.url, ground.good);
  const answer = await exchange(socket, `POST /first HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n${rest}`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  const [came = "", ...others] = raw.connections;
  expect(others).toEqual([]);
  const [head = "", ...body] = came.split("\r\n\r\n");
  const framings = head.toLowerCase().match(/\r\n(?:content-length|transfer-encoding)(?=:)/g);
  expect(framings).toHaveLength(1);
  const whole = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`;
  expect(body.join("\r\n\r\n")).toBe(framings?.[0] === "\r\ncontent-length" ? HIDDEN : whole);
});
