import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { MINUTE } from "../../src/domain/time.ts";
import type { Handler } from "../../src/index.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import type { TestCredential } from "../support/client.ts";
import { ask, begin, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
const urls: Record<"http1" | "http2", string> = { http1: "", http2: "" };
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const stream: Handler = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: on\n\n");
  };
  const { url, server } = await ground.listen({}, stream);
  const sockets = new WebSocketServer({ noServer: true });
  enforcer.upgrade(server, (...[incoming, socket, head]) => {
    sockets.handleUpgrade(incoming, socket, head, () => undefined);
  });
  urls.http1 = url;
  urls.http2 = await ground.scene.listen(enforcer.createServer(stream, certificate, { http2: true }));
});
afterEach(() => vi.useRealTimers());

/** The clock is asked when it is time, after a minute at most, and whenever a caller comes whose end is noted. */
async function passTo(instant: number): Promise<void> {
  const next = await ground.scene.credential("acme");
  vi.useFakeTimers({ toFake: ["Date"], now: instant });
  await expect.poll(() => ground.answer(next), { timeout: 10_000 }).toBe("200 acme");
}

async function webSocket({ key, cert, ca }: TestCredential): Promise<WebSocket> {
  const socket = new WebSocket(urls.http1.replace("https:", "wss:"), { key, cert, ca });
  socket.on("error", () => undefined);
  await once(socket, "open");
  return socket;
}

async function eventStream({ key, cert, ca }: TestCredential): Promise<IncomingMessage> {
  const sent = request(urls.http1, { key, cert, ca, agent: false }).end();
  sent.on("error", () => undefined);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return response.on("error", () => undefined).resume();
}

test("WebSockets, event streams and HTTP/2 sessions do not outlive their certificate; nobody else's ends", async () => {
  const brief = await ground.scene.credential("acme", Date.now() + 5 * MINUTE);
  const [socket, response] = [await webSocket(brief), await eventStream(brief)];
  const session = await openSession(urls.http2, brief);
  const { stream } = await begin(session, "/");
  stream.resume();
  const others = [await webSocket(ground.good), await eventStream(ground.good)] as const;
  const ended = [socket, response, stream].map((one) => new Promise((resolve) => one.once("close", resolve)));
  await passTo(Date.now() + 6 * MINUTE);
  await Promise.all(ended);
  const closed = once(session, "close");
  expect(await ask(session, "/")).toMatchObject({ status: 403, code: "CERT_EXPIRED" });
  await closed;
  expect([others[0].readyState, others[1].closed]).toEqual([WebSocket.OPEN, false]);
  others[0].terminate();
  others[1].destroy();
});
