import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { join } from "node:path";
import { type TLSSocket, connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { type TestCredential, call } from "../support/client.ts";
import { sharedScene } from "../support/door-scene.ts";
import { ask, begin, openSession } from "../support/http2-client.ts";
import { runOk } from "../support/run.ts";

let good: TestCredential;
let url: string;
/** Ends the latest answer to `/brief`. */
let finish: () => unknown = () => undefined;
/** Of the request for `/later`: it has come; its answer may begin. */
const [asked, mayBegin] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
const shared = sharedScene(async (scene) => {
  await scene.account("acme");
  good = await scene.credential("acme");
  const { enforcer, certificate } = scene;
  const server = enforcer.createServer(
    (request, response, caller) => {
      if (request.url === "/hello") {
        response.end(`${caller.account} ${request.httpVersion} ${String(request.caller === caller)}`);
        return;
      }
      if (request.url === "/later") {
        asked.resolve(undefined);
        void mayBegin.promise.then(() => {
          response.writeHead(200, { "Content-Type": "text/event-stream" }).write("begun\n");
        });
        return;
      }
      if (request.url === "/events") response.setHeader("Content-Type", "text/event-stream");
      response.write("begun\n");
      if (request.url === "/brief") finish = () => response.end("done\n");
    },
    certificate,
    { http2: true },
  );
  url = await scene.listen(server);
});

/** Whether an answer came to its end. */
async function ending(stream: Awaited<ReturnType<typeof begin>>["stream"]): Promise<string> {
  let rest = "";
  stream.setEncoding("utf8").on("data", (part: string) => (rest += part));
  if (!stream.closed) await once(stream, "close");
  return stream.rstCode === 0 ? rest : "cut";
}

/** Whatever ends it. */
function closing(closed: ClientHttp2Session | TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (closed.destroyed) resolve();
    closed.once("close", () => {
      resolve();
    });
  });
}

test("one handler serves HTTP/2 and HTTP/1.1, and has the caller of both", async () => {
  const session = await openSession(url, good);
  expect(await ask(session, "/hello")).toMatchObject({ status: 200, text: "acme 2.0 true" });
  expect(await ask(session, "/hello")).toMatchObject({ status: 200, text: "acme 2.0 true" });
  session.destroy();
  expect((await call(`${url}/hello`, { tls: good })).text).toBe("acme 1.1 true");
});

test("curl speaks HTTP/2 to it", async () => {
  const file = (name: "ca" | "cert" | "key"): string => {
    const path = join(shared.scene.home, `client.${name}`);
    writeFileSync(path, good[name]);
    return path;
  };
  const tls = ["--cacert", file("ca"), "--cert", file("cert"), "--key", file("key")];
  const said = await runOk("curl", ["-sS", "--http2", ...tls, `${url}/hello`]);
  expect(said).toBe("acme 2.0 true");
});

test("a stranger's stream gets its denial, and then the session ends", async () => {
  const session = await openSession(url, { ca: good.ca });
  const goaway = once(session, "goaway");
  const answer = await ask(session, "/hello");
  expect(answer).toMatchObject({ status: 401, code: "CERT_REQUIRED" });
  expect(answer.headers).not.toHaveProperty("connection");
  await goaway;
  await closing(session);
});

describe(":authority and SNI, stream by stream", () => {
  test.each([
    ["localhost", { ":authority": "localhost:9443" }, 200],
    ["localhost", { ":authority": "internal.example" }, 421],
    ["localhost", { ":authority": "localhost", host: "internal.example" }, 421],
    ["", { ":authority": "localhost" }, 421],
  ])("SNI '%s', %j: %i", async (servername, headers: Record<string, string>, status) => {
    const session = await openSession(url, { ...good, servername });
    expect((await ask(session, "/hello", headers)).status).toBe(status);
    // The session is good for other hosts: those that the handshake named.
    const host = servername === "" ? "127.0.0.1" : servername;
    expect((await ask(session, "/hello", { ":authority": host })).status).toBe(200);
    // And having been right once makes nothing right.
    expect((await ask(session, "/hello", headers)).status).toBe(status);
    session.destroy();
  });
});

test("a revocation ends that credential's session, event streams first, and no other", async () => {
  const { scene } = shared;
  const revoked = await scene.credential("acme");
  const [session, idle, other] = await Promise.all(
    [revoked, revoked, good].map((each) => openSession(url, each)),
  );
  if (!session || !idle || !other) throw new Error("no session");
  const [events, brief, endless] = await Promise.all(
    ["/events", "/brief", "/endless"].map((path) => begin(session, path)),
  );
  const others = await begin(other, "/events");
  if (!events || !brief || !endless) throw new Error("no answer");
  const order: string[] = [];
  const ends = [
    ending(events.stream).then((how) => order.push(`events ${how}`)),
    ending(brief.stream).then((how) => order.push(`brief ${how}`)),
    ending(endless.stream).then((how) => order.push(`endless ${how}`)),
    closing(idle).then(() => order.push("idle")),
  ];
  await scene.revoke(revoked);
  await expect.poll(() => order[0]).toBe("events cut");
  // The streams under way may end; the next is refused.
  expect(await ask(session, "/hello")).toMatchObject({ status: 403, code: "CERT_REVOKED" });
  finish();
  await Promise.all(ends);
  expect(order).toContain("brief begun\ndone\n");
  expect(order.filter((what) => !what.startsWith("brief"))).toEqual(["events cut", "idle", "endless cut"]);
  await closing(session);
  expect([others.stream.closed, other.closed]).toEqual([false, false]);
  other.destroy();
  const kinds = scene.log.filter(({ fingerprint }) => fingerprint === revoked.fingerprint);
  expect(kinds).toContainEqual(expect.objectContaining({ kind: "HTTP/2", connections: 2, account: "acme" }));
});

test("a suspension cuts event streams, those to come too, and leaves the session", async () => {
  const { scene } = shared;
  const suspended = await scene.credential("acme");
  const session = await openSession(url, suspended);
  const [events, brief] = await Promise.all(["/events", "/brief"].map((path) => begin(session, path)));
  if (!events || !brief) throw new Error("no answer");
  const later = session.request({ ":path": "/later" });
  later.on("error", () => undefined);
  await asked.promise;
  await scene.suspend(suspended);
  expect(await ending(events.stream)).toBe("cut");
  mayBegin.resolve(undefined);
  expect(await ending(later)).toBe("cut");
  expect(await ask(session, "/hello")).toMatchObject({ status: 403, code: "CERT_SUSPENDED" });
  finish();
  expect(await ending(brief.stream)).toBe("begun\ndone\n");
  expect(session.closed).toBe(false);
  session.destroy();
});

describe("ways around", () => {
  test("CONNECT is refused", async () => {
    const session = await openSession(url, good);
    const stream = session.request({ ":method": "CONNECT", ":authority": "127.0.0.1:1" });
    stream.on("error", () => undefined).resume();
    const [headers] = (await once(stream, "response")) as [{ ":status": number }];
    expect(headers[":status"]).toBe(405);
    session.destroy();
  });

  test("extended CONNECT is not offered", async () => {
    const session = await openSession(url, good);
    expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 128, enableConnectProtocol: false });
    session.destroy();
  });

  test("a body that is announced with Expect is asked for after the decision only", async () => {
    const expecting = { ":method": "POST", expect: "100-continue" };
    const stranger = await openSession(url, { ca: good.ca });
    const refused = stranger.request({ ":path": "/hello", ...expecting });
    let continued = false;
    refused.on("continue", () => (continued = true)).on("error", () => undefined);
    const [headers] = (await once(refused, "response")) as [{ ":status": number }];
    expect([headers[":status"], continued]).toEqual([401, false]);
    stranger.destroy();

    const session = await openSession(url, good);
    const stream = session.request({ ":path": "/hello", ...expecting });
    stream.on("error", () => undefined);
    await once(stream, "continue");
    stream.end("body");
    const [answered] = (await once(stream, "response")) as [{ ":status": number }];
    expect(answered[":status"]).toBe(200);
    session.destroy();
  });

  test("a flood of resets ends the session", async () => {
    const session = await openSession(url, good);
    const closed = closing(session);
    for (let i = 0; i < 400 && !session.closed; i++) {
      const stream = session.request({ ":path": "/endless" });
      stream.on("error", () => undefined).close(8);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
  });

  test("a protocol that nobody speaks is hung up on", async () => {
    const { port } = new URL(url);
    const socket = connect({ host: "127.0.0.1", port: Number(port), ...good, ALPNProtocols: ["spdy/3"] });
    socket.on("error", () => undefined);
    await closing(socket);
  });
});

test("a session whose place is somebody else's keeps no event stream", async () => {
  const { scene } = shared;
  await scene.account("few");
  const credential = await scene.credential("few");
  const [one, other] = [await openSession(url, credential), await openSession(url, credential)];
  const { stream } = await begin(one, "/events");
  const cut = once(stream, "close");
  expect((await ask(other, "/hello")).status).toBe(200);
  await scene.limit("few", { maxConnections: 1 });
  expect((await ask(other, "/hello")).status).toBe(200);
  expect((await ask(one, "/hello")).code).toBe("CONNECTION_LIMIT");
  await cut;
  other.destroy();
});
