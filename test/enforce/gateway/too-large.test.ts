import { connect } from "node:http2";
import { beforeAll, expect, test } from "vitest";
import { call } from "../../support/client.ts";
import { exchange, gatewayGround } from "../../support/gateway-scene.ts";
import { tlsTo } from "../../support/tls-to.ts";

const ground = gatewayGround();
let http2 = "";
beforeAll(async () => {
  http2 = await ground.listen([{ path: "/**", upstream: "app" }], { http2: true });
});

const large = Buffer.alloc(100_000, "x");

const asGood = () => ({ key: ground.good.key, cert: ground.good.cert, ca: ground.good.ca });

/** What is logged of a path, in order: with the message, what it is of. */
function logged(path: string): unknown[] {
  return ground.scene.log
    .filter((line) => line["path"] === path)
    .map(({ message, code, status, account, route, requestId }) => ({
      ...{ message, code, status, account, route, requestId },
    }));
}

test.each(["HTTP/1.1", "HTTP/2"])("a body that says it is too long is refused by name, by %s", async (by) => {
  const path = by === "HTTP/2" ? "/long2" : "/long1";
  const { status, type, text } = by === "HTTP/2" ? await post2(path) : await post1(path);
  expect([status, type]).toEqual([413, "application/problem+json"]);
  const { code, requestId } = JSON.parse(text) as { code: string; requestId: string };
  expect(code).toBe("BODY_TOO_LARGE");
  const of = { account: "acme", route: "/**", requestId };
  expect(logged(path)).toEqual([{ message: "denied", code, status: undefined, ...of }]);
  expect(ground.asked).toEqual([]);
});

test("one that grows too long is not said to be the caller's leaving", async () => {
  const socket = await tlsTo(ground.url, ground.good);
  const head =
    "POST /grows HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r-1\r\n\r\n";
  const piece = `2710\r\n${"x".repeat(10_000)}\r\n`;
  expect(await exchange(socket, head + piece.repeat(10), 2000)).toBe("");
  const of = { code: "BODY_TOO_LARGE", account: "acme", route: "/**", requestId: "r-1" };
  await expect
    .poll(() => logged("/grows"))
    .toEqual([
      { message: "denied", status: undefined, ...of },
      { message: "call", status: 413, ...of },
    ]);
});

test("nor over HTTP/2", async () => {
  const session = connect(http2, { ...asGood() });
  const stream = session.request({ ":method": "POST", ":path": "/grows2" });
  const closed = new Promise((resolve) => stream.on("error", () => undefined).once("close", resolve));
  stream.end(large);
  await closed;
  session.destroy();
  await expect
    .poll(() => logged("/grows2"))
    .toMatchObject([{ message: "denied" }, { message: "call", status: 413, code: "BODY_TOO_LARGE" }]);
});

test.each(["a server of HTTP/1.1", "one that speaks HTTP/2 as well"])(
  "larger headers than are read, by %s",
  async (by) => {
    const socket = await tlsTo(by.includes("HTTP/2") ? http2 : ground.url, ground.good);
    const answer = await exchange(
      socket,
      `GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(20_000)}`,
      2000,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 [^]*"code":"HEADERS_TOO_LARGE"/);
    const [, requestId] = /"requestId":"([^"]+)"/.exec(answer) ?? [];
    const line = { message: "denied", code: "HEADERS_TOO_LARGE", account: "acme", requestId };
    expect(ground.scene.log).toContainEqual(expect.objectContaining(line));
  },
);

async function post1(path: string): Promise<{ status: number; type: unknown; text: string }> {
  const { status, headers, text } = await call(ground.url + path, {
    ...{ method: "POST", body: large, tls: asGood() },
    headers: { "Content-Length": String(large.length) },
  });
  return { status, type: headers["content-type"], text };
}

async function post2(path: string): Promise<{ status: unknown; type: unknown; text: string }> {
  const session = connect(http2, { ...asGood() });
  const stream = session.request({ ":method": "POST", ":path": path, "content-length": large.length });
  stream.end(large);
  let [status, type, text]: unknown[] = [0, "", ""];
  stream.on("response", (headers) => ([status, type] = [headers[":status"], headers["content-type"]]));
  stream.on("data", (part: Buffer) => (text = String(text) + part.toString()));
  await new Promise((resolve) => stream.on("error", () => undefined).once("close", resolve));
  session.destroy();
  return { status, type, text: String(text) };
}
