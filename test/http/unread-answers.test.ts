import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { type AddressInfo, type Socket, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../src/domain/time.ts";
import { type AnswerLimits, limitAnswers, timeLimits } from "../../src/http/server.ts";
import { HeldTimers } from "../support/held-timers.ts";

// Who asks for a large answer and does not read it, on real sockets. The answer is more than those hold by themselves.

const BODY = randomBytes(64 << 20);
const timers = new HeldTimers();
let server: Server;
let answered: Promise<unknown>;
let clients: Socket[];
beforeEach(() => {
  clients = [];
});
afterEach(() => {
  timers.release();
  for (const client of clients) client.destroy();
  server.close();
  server.closeAllConnections();
});

/** Starts it; the limits are its own unless some are given. */
async function serve(limits?: AnswerLimits): Promise<void> {
  server = createServer(timeLimits, (_request, response) => {
    response.setHeader("Content-Length", BODY.length);
    response.end(BODY);
    answered = once(response, "close");
  });
  limitAnswers(server, limits);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** Asks, and reads nothing yet. Returns the client's and the server's end. */
async function asking(): Promise<{ readonly client: Socket; readonly end: Socket }> {
  const connected = once(server, "connection") as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  clients.push(client);
  client.on("error", () => undefined); // that it is cut off is what is tried
  const requested = once(server, "request");
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [end] = await connected;
  await requested;
  return { client, end };
}

const closed = (socket: Socket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : once(socket, "close");

/** Reads so much, or less when the connection is cut before; counts octets, a head's among them. */
async function read(
  client: Socket,
  until = BODY.length + 1,
  pause?: { readonly after: number; readonly for: number },
): Promise<number> {
  let [octets, sincePause] = [0, 0];
  try {
    for await (const part of client.iterator({ destroyOnReturn: false })) {
      octets += (part as Buffer).length;
      sincePause += (part as Buffer).length;
      if (octets >= until) break;
      if (!pause || sincePause < pause.after) continue;
      sincePause = 0;
      await sleep(pause.for);
    }
  } catch {
    // cut
  }
  return octets;
}

test("a client that stops reading is cut off, and what it asked for is let go", async () => {
  await serve({ idle: 200, whole: 10 * MINUTE });
  const { client, end } = await asking();
  await closed(end);
  expect(await read(client)).toBeLessThan(BODY.length);
});

test("one that stops in the middle is cut off as well", async () => {
  await serve({ idle: 200, whole: 10 * MINUTE });
  const { client, end } = await asking();
  const octets = await read(client, 8 << 20);
  await closed(end);
  expect(octets + (await read(client))).toBeLessThan(BODY.length);
});

test("one that reads slowly, but reads, gets the whole", async () => {
  await serve({ idle: 1000, whole: 10 * MINUTE });
  const { client } = await asking();
  // 32 times 100 ms: several times the limit, in steps well below it.
  expect(await read(client, undefined, { after: 2 << 20, for: 100 })).toBeGreaterThan(BODY.length);
});

test("one that reads too slowly is cut off, ten minutes after it asked", async () => {
  timers.hold();
  await serve();
  const { client, end } = await asking();
  expect(await read(client, 8 << 20)).toBeLessThan(BODY.length);
  timers.pass(10 * MINUTE - 1);
  expect(end.destroyed).toBe(false);
  timers.pass(10 * MINUTE);
  await closed(end);
  expect(await read(client)).toBeLessThan(BODY.length);
});

test("a connection on which much was read, one answer after the other, stays", async () => {
  timers.hold();
  await serve();
  const { client, end } = await asking();
  for (const count of [1, 2, 3]) {
    expect(await read(client), String(count)).toBeGreaterThan(BODY.length);
    await answered;
    timers.pass(10 * MINUTE);
    expect(end.destroyed).toBe(false);
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  expect(await read(client)).toBeGreaterThan(BODY.length);
});

test("a client may read nothing for half a minute", async () => {
  await serve();
  expect(server.timeout).toBe(30 * SECOND);
});

test("who sends many requests and reads no answer is cut at once", async () => {
  timers.hold();
  await serve();
  const { client, end } = await asking();
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(8));
  await closed(end);
});
