import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import type { IncomingMessage, RequestListener } from "node:http";
import { expect, test } from "vitest";
import { call } from "../../support/client.ts";
import { exchange, gatewayGround } from "../../support/gateway-scene.ts";
import { tlsTo } from "../../support/tls-to.ts";

const MIB = 1024 * 1024;

/** Of the large answer: MiB that the service could not get rid of yet. */
let left = 0;

const handler: RequestListener = (request, response) => {
  const url = new URL(request.url ?? "/", "http://service");
  if (url.pathname === "/hash") {
    const hash = createHash("sha256");
    request.on("data", (piece: Buffer) => hash.update(piece));
    request.on("end", () => response.end(hash.digest("hex")));
    return;
  }
  if (url.pathname === "/large") {
    response.setHeader("Content-Length", String(64 * MIB));
    left = 64;
    const more = (): void => {
      while (left > 0) {
        left -= 1;
        if (!response.write(Buffer.alloc(MIB, left))) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
    return;
  }
  if (url.pathname === "/trailers") {
    response.writeHead(200, { Trailer: "X-Sum" });
    response.write("body");
    response.addTrailers({ "X-Sum": "42" });
    response.end();
    return;
  }
  if (url.pathname === "/early") {
    response.writeHead(413, { "Content-Type": "text/plain" }).end("too much");
    return;
  }
  if (url.pathname.startsWith("/cut")) {
    response.writeHead(200, url.pathname === "/cut" ? { "Content-Length": "100" } : {});
    response.write("half");
    setTimeout(() => response.destroy(), 50);
    return;
  }
  if (url.pathname === "/garbage") {
    request.socket.end("this is no HTTP\r\n\r\n");
    return;
  }
  if (url.pathname === "/never") return;
  if (url.pathname === "/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    let count = 0;
    const timer = setInterval(() => response.write(`data: ${String((count += 1))}\n\n`), 20);
    response.on("close", () => {
      clearInterval(timer);
    });
    return;
  }
  response.setHeader("Set-Cookie", ["a=1", "b=2"]);
  response.setHeader("Connection", "X-Hop");
  response.setHeader("X-Hop", "1");
  response.setHeader("X-Kept", "caf\u00e9");
  response.statusCode = 201;
  response.end(
    Buffer.from(JSON.stringify({ method: request.method, url: request.url, headers: request.headers })),
  );
};

const ground = gatewayGround({
  handler,
  routes: [
    { path: "/**", upstream: "app", maxBody: 512 * MIB, answerTime: "1500ms" },
    { path: "/orders/**", upstream: "app", scopes: ["orders:read"] },
    { path: "/admin/**", upstream: "app", scopes: ["admin"] },
    { path: "/read-only", methods: ["GET", "HEAD"], upstream: "app" },
  ],
});

const asGood = () => ({ tls: { key: ground.good.key, cert: ground.good.cert, ca: ground.good.ca } });

test("method, target, headers, status and body go through, and who is calling is told", async () => {
  const { status, headers, json } = await call(`${ground.url}/a/b?c=%2F&d=/../`, {
    ...asGood(),
    method: "PATCH",
    headers: {
      "X-Own": "1",
      "X-Request-Id": "r-1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "Content-Length": "2",
    },
    body: "{}",
  });
  expect(status).toBe(201);
  expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  expect(headers["x-kept"]).toBe("caf\u00e9");
  expect(headers["x-hop"]).toBeUndefined();
  expect(headers["x-request-id"]).toBe("r-1");
  expect(json).toMatchObject({ method: "PATCH", url: "/a/b?c=%2F&d=/../" });
  expect(json["headers"]).toMatchObject({
    ...{ "x-own": "1", "x-request-id": "r-1", "content-length": "2" },
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    host: new URL(ground.url).host,
    "x-client-account": "acme",
    "x-client-scopes": "orders:read",
    "x-client-fingerprint": ground.good.fingerprint,
    ...{ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" },
  });
});

test("scopes and methods are asked for before the service is", async () => {
  const answer = async (path: string, method = "GET") => {
    const { status, json } = await call(ground.url + path, { ...asGood(), method });
    return [status, json["code"]].filter(Boolean).join(" ");
  };
  expect(await answer("/orders/1")).toBe("201");
  expect(await answer("/admin/x")).toBe("403 SCOPE_MISSING");
  expect(await answer("/%61dmin/x")).toBe("403 SCOPE_MISSING");
  expect(await answer("/read-only")).toBe("201");
  expect(await answer("/read-only", "POST")).toBe("405 METHOD_NOT_ALLOWED");
});

test("a body of any size goes up in pieces, with and without its length", async () => {
  const body = randomBytes(8 * MIB);
  const wanted = createHash("sha256").update(body).digest("hex");
  const sized = await call(`${ground.url}/hash`, {
    ...asGood(),
    method: "POST",
    headers: { "Content-Length": String(body.length) },
    body,
  });
  expect(sized.text).toBe(wanted);
  const chunked = await call(`${ground.url}/hash`, {
    ...asGood(),
    method: "POST",
    headers: { "Transfer-Encoding": "chunked" },
    body,
  });
  expect(chunked.text).toBe(wanted);
});

test("an answer that nobody reads stays with the service", async () => {
  const sent = httpsRequest(`${ground.url}/large`, { ...asGood().tls, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(left).toBeGreaterThan(32); // what sockets hold, and not more
  let received = 0;
  for await (const piece of response) received += (piece as Buffer).length;
  expect(received).toBe(64 * MIB);
});

test("trailers go through", async () => {
  const sent = httpsRequest(`${ground.url}/trailers`, { ...asGood().tls, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  expect(response.trailers).toEqual({ "x-sum": "42" });
});

test("HEAD has no body, and a caller that waits is told to go on", async () => {
  const head = await call(`${ground.url}/x`, { ...asGood(), method: "HEAD" });
  expect([head.status, head.text]).toEqual([201, ""]);
  const sent = httpsRequest(`${ground.url}/hash`, {
    ...{ ...asGood().tls, agent: false, method: "POST" },
    headers: { Expect: "100-continue", "Content-Length": "3" },
  });
  sent.flushHeaders();
  await once(sent, "continue");
  sent.end("abc");
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
});

test("an answer before the body was sent arrives", async () => {
  const { status, text } = await call(`${ground.url}/early`, {
    ...asGood(),
    method: "POST",
    headers: { "Content-Length": String(4 * MIB) },
    body: Buffer.alloc(4 * MIB),
  });
  expect([status, text]).toEqual([413, "too much"]);
});

test("a service that fails is told of by a code, and half an answer is not a whole one", async () => {
  const code = async (path: string) => {
    const { status, json } = await call(ground.url + path, asGood());
    return `${String(status)} ${String(json["code"])}`;
  };
  expect(await code("/garbage")).toBe("502 UPSTREAM_FAILED");
  expect(await code("/never")).toBe("504 UPSTREAM_TIMEOUT");
  await expect(call(`${ground.url}/cut`, asGood())).rejects.toThrow();
  await expect(call(`${ground.url}/cut-without-length`, asGood())).rejects.toThrow();
  const refused = await ground.listen([{ path: "/**", upstream: "app" }]);
  expect((await call(`${refused}/x`, asGood())).status).toBe(201);
});

test("a call over HTTP/2 goes through as well", async () => {
  const url = await ground.listen([{ path: "/**", upstream: "app", maxBody: MIB }], { http2: true });
  const session = connectHttp2(url, asGood().tls);
  try {
    const stream = session.request({ ":path": "/x?y=1", ":method": "POST", cookie: ["a=1", "b=2"] });
    stream.end("hello");
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    let text = "";
    for await (const piece of stream.setEncoding("utf8")) text += String(piece);
    expect(headers[":status"]).toBe(201);
    const said = JSON.parse(text) as { url: string; headers: Record<string, string> };
    expect(said.url).toBe("/x?y=1");
    expect(said.headers).toMatchObject({ cookie: "a=1; b=2", "x-client-account": "acme" });
    expect(Object.keys(said.headers).filter((name) => name.startsWith(":"))).toEqual([]);
  } finally {
    session.destroy();
  }
});

test("a call is logged with where it came from and what it asked for, and with nothing secret", async () => {
  const sent = { "User-Agent": `till/2.0 \u009b31m${"x".repeat(1000)}`, Authorization: "Bearer hidden" };
  const headers = { ...sent, Cookie: "a=hidden", "X-Request-Id": "logged-1" };
  await call(`${ground.url}/a?token=hidden`, { ...asGood(), headers });
  const lineOf = (id: string) => ground.scene.log.find(({ requestId }) => requestId === id);
  await expect.poll(() => lineOf("logged-1")).toBeDefined();
  expect(lineOf("logged-1")).toEqual({
    ...{ message: "call", requestId: "logged-1", route: "/**", account: "acme" },
    ...{ fingerprint: ground.good.fingerprint, address: "127.0.0.1", host: new URL(ground.url).host },
    ...{ httpVersion: "1.1", method: "GET", path: "/a", status: 201 },
    ...{ received: 0, sent: expect.any(Number) as unknown, duration: expect.any(Number) as unknown },
    userAgent: `till/2.0 31m${"x".repeat(187)}`,
  });
  const socket = await tlsTo(ground.url, ground.good);
  const { host } = new URL(ground.url);
  const head = `GET https://user:hidden@${host}/c?hidden HTTP/1.1\r\nHost: ${host}\r\nX-Request-Id: logged-3`;
  await exchange(socket, `${head}\r\n\r\n`, 20);
  expect(lineOf("logged-3")).toMatchObject({ message: "call", path: "/c", host });
  socket.destroy();
  const url = await ground.listen([{ path: "/**", upstream: "app" }], { http2: true });
  const session = connectHttp2(url, asGood().tls);
  const stream = session.request({ ":path": "/events", "x-request-id": "logged-2" });
  stream.on("error", () => undefined);
  await once(stream, "data");
  session.destroy();
  await expect.poll(() => lineOf("logged-2")).toBeDefined();
  // As it was: by now there is no connection to ask.
  expect(lineOf("logged-2")).toMatchObject({
    ...{ address: "127.0.0.1", host: new URL(url).host, httpVersion: "2.0", method: "GET" },
    ...{ path: "/events", status: 499, userAgent: undefined },
  });
});

test("an event stream is cut when its caller is revoked, and the service notices", async () => {
  const victim = await ground.scene.credential("acme");
  const { key, cert, ca } = victim;
  const sent = httpsRequest(`${ground.url}/events`, { key, cert, ca, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  await once(response, "data");
  const cut = once(response, "error");
  await ground.scene.revoke(victim);
  await cut;
  await expect
    .poll(() =>
      ground.scene.log.some(
        ({ message, route, status, address }) =>
          message === "call" && route === "/**" && status === 499 && address === "127.0.0.1",
      ),
    )
    .toBe(true);
});
