import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type Server, request } from "node:https";
import type { AddressInfo } from "node:net";
import { type TLSSocket, connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Enforcer, createEnforcer } from "../../src/index.ts";
import { type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { countersign } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { withinLife } from "../support/within-life.ts";

// A service of its own that uses the library, next to the CA's process: revocations come from a third one.
const ca = sharedServer();
/** Of the request for `/later`: it has come; its answer may begin. */
const [asked, suspended] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
let enforcer: Enforcer;
let service: Server;
let url: string;
beforeAll(async () => {
  enforcer = await createEnforcer({ home: ca.home });
  service = enforcer.createServer((incoming, response, caller) => {
    if (incoming.url === "/events") response.setHeader("Content-Type", "text/event-stream");
    if (incoming.url === "/events-at-once") response.writeHead(200, { "content-type": "Text/Event-Stream" });
    if (incoming.url === "/hello") {
      response.end(caller.account);
      return;
    }
    if (incoming.url === "/later") {
      asked.resolve(undefined);
      void suspended.promise.then(() => {
        response.setHeader("Content-Type", "text/event-stream");
        response.write("begun\n");
      });
      return;
    }
    response.write("begun\n");
    if (incoming.url === "/brief") setTimeout(() => response.end("done\n"), 1000);
  }, listenerCertificate(ca.home));
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  url = `https://127.0.0.1:${String((service.address() as AddressInfo).port)}`;
});
afterAll(async () => {
  service.close();
  service.closeAllConnections();
  await enforcer.close();
});

async function fresh(account: string): Promise<TestCredential> {
  return enrolled(ca, await ca.token(account));
}

/** In a third process. Returns what it said. */
async function revoke({ fingerprint }: TestCredential): Promise<unknown> {
  const ran = await countersign(["revoke", fingerprint, "--home", ca.home, "--json"]);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(ran.stdout);
}

/** An open connection that has asked nothing. */
async function idle(credential: TestCredential): Promise<TLSSocket> {
  const { port } = new URL(url);
  const { key, cert, ca: root } = credential;
  const socket = connect({ host: "127.0.0.1", port: Number(port), key, cert, ca: root });
  await once(socket, "secureConnect");
  return socket;
}

/** Asks, and returns once the answer has begun. */
async function begin(credential: TestCredential, path: string): Promise<IncomingMessage> {
  const { key, cert, ca: root } = credential;
  const sent = request(url + path, { key, cert, ca: root, agent: false }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  await once(response, "data");
  return response;
}

/** How an answer ended: whole, or cut off. */
async function ending(response: IncomingMessage): Promise<{ whole: boolean; rest: string }> {
  let rest = "";
  response.setEncoding("utf8").on("data", (text: string) => (rest += text));
  response.on("error", () => undefined);
  await once(response, "close").catch(() => undefined);
  return { whole: response.complete, rest };
}

describe("a revocation", () => {
  test("closes idle connections of that credential, and of no other", async () => {
    const [revoked, other] = [await fresh("acme"), await fresh("acme")];
    const [closing, staying] = [await idle(revoked), await idle(other)];
    closing.on("error", () => undefined);
    const closed = once(closing, "close");
    await revoke(revoked);
    await closed;
    expect(staying.readyState).toBe("open");
    staying.write("GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const [answer] = (await once(staying, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 .*acme/s);
    staying.destroy();
  });

  test("cuts an answer that does not come to its end", async () => {
    const credential = await fresh("acme");
    const response = await begin(credential, "/endless");
    const ended = ending(response);
    await revoke(credential);
    expect(await ended).toEqual({ whole: false, rest: "" });
  });

  test("lets an answer under way come to its end, if that is soon", async () => {
    const credential = await fresh("acme");
    const response = await begin(credential, "/brief");
    const ended = ending(response);
    await revoke(credential);
    expect(await ended).toEqual({ whole: true, rest: "done\n" });
  });

  test.each(["/events", "/events-at-once"])(
    "cuts an event stream at once, before an idle connection: %s",
    async (path) => {
      const credential = await fresh("acme");
      const quiet = await idle(credential);
      quiet.on("error", () => undefined);
      const order: string[] = [];
      const both = Promise.all([
        ending(await begin(credential, path)).then(() => order.push("events")),
        once(quiet, "close").then(() => order.push("idle")),
      ]);
      const said = await revoke(credential);
      await both;
      expect(order).toEqual(["events", "idle"]);
      expect(said).toMatchObject({ servers: 2, late: 0, connectionsClosed: 2 });
    },
  );

  test("leaves a connection that is refused its next call with `Connection: close`", async () => {
    const credential = await fresh("acme");
    const agent = keepAlive(credential);
    expect((await call(`${url}/hello`, { agent })).text).toBe("acme");
    await revoke(credential);
    const refused = await call(`${url}/hello`, { agent });
    expect(refused).toMatchObject({ status: 403, reusedSocket: true });
    expect(refused.json["code"]).toBe("CERT_REVOKED");
    expect(refused.headers["connection"]).toBe("close");
    agent.destroy();
  });
});

test("the end of a certificate's life closes its idle connection", async () => {
  const { end, closed } = await withinLife(async (notAfter) => {
    const brief = await enrolled(ca, await ca.token("acme"), { notAfter: new Date(notAfter).toISOString() });
    const socket = await idle(brief);
    socket.on("error", () => undefined);
    return { end: notAfter, closed: new Promise((resolve) => socket.once("close", resolve)) };
  });
  await closed;
  expect(Date.now()).toBeGreaterThanOrEqual(end);
});

test.each([
  ["a credential", (credential: TestCredential) => ["suspend", credential.fingerprint]],
  ["an account", () => ["account", "suspend", "streams"]],
] as const)("a suspension of %s cuts its event streams at once, and nothing else", async (_what, order) => {
  const credential = await fresh("streams");
  const other = await fresh("acme");
  const [quiet, brief] = [await idle(credential), await begin(credential, "/brief")];
  const [events, others] = [await begin(credential, "/events"), await begin(other, "/events")];
  const [end, rest] = [ending(events), ending(brief)];
  expect(await ca.admin(...order(credential))).toMatchObject({ connectionsClosed: 1 });
  expect(await end).toEqual({ whole: false, rest: "" });
  expect(await rest).toEqual({ whole: true, rest: "done\n" });
  expect(others.socket.readyState).toBe("open");
  expect(quiet.readyState).toBe("open");
  quiet.destroy();
  others.destroy();
});

test("a suspension cuts an event stream that was let through before it, as soon as it begins", async () => {
  const credential = await fresh("acme");
  const begun = begin(credential, "/later");
  await asked.promise;
  const quiet = await idle(credential);
  expect(await ca.admin("suspend", credential.fingerprint)).toMatchObject({ connectionsClosed: 0 });
  suspended.resolve(undefined);
  await expect(begun).rejects.toThrow("socket hang up");
  expect(quiet.readyState).toBe("open");
  quiet.destroy();
});

test("a suspension closes no idle connection", async () => {
  const credential = await fresh("acme");
  const socket = await idle(credential);
  expect(await ca.admin("suspend", credential.fingerprint)).toMatchObject({ connectionsClosed: 0 });
  socket.write("GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 .*Connection: keep-alive.*CERT_SUSPENDED/s);
  socket.destroy();
});

test("authorize() asks for scopes: the credential's and the account's", async () => {
  await ca.admin("account", "create", "shop", "--scopes", "orders:read,orders:write");
  const narrow = await enrolled(ca, await ca.token("shop", "--scopes", "orders:read"));
  const decisions: string[] = [];
  const server = enforcer.createServer((incoming, response) => {
    void Promise.all(
      ["orders:read", "orders:write"].map((scope) => enforcer.authorize(incoming, scope)),
    ).then((all) => {
      for (const decision of all) decisions.push(decision.allowed ? "ALLOWED" : decision.code);
      response.end();
    });
  }, listenerCertificate(ca.home));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { key, cert } = narrow;
  const target = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
  await call(target, { tls: { key, cert, ca: readFileSync(ca.root) } });
  server.close();
  expect(decisions).toEqual(["ALLOWED", "SCOPE_MISSING"]);
});
