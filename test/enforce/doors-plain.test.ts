import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpServer } from "node:http";
import { type Server, createServer, request } from "node:https";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { parseRate } from "../../src/domain/call-limits.ts";
import { type TestCredential, call, keepAlive } from "../support/client.ts";
import { sharedScene } from "../support/door-scene.ts";
import { ask, openSession } from "../support/http2-client.ts";
import { expiredSelfSigned } from "../support/library-certificates.ts";
import { signedOffRecord } from "../support/own-issuer.ts";

let good: TestCredential;
let closedUrl: string;
let openUrl: string;
const shared = sharedScene(async (scene) => {
  await scene.account("acme", "orders:read");
  good = await scene.credential("acme");
  const { enforcer, certificate } = scene;
  closedUrl = await scene.listen(
    enforcer.createServer((incoming, response, caller) => {
      response.end(JSON.stringify({ same: incoming.caller === caller, ...caller }));
    }, certificate),
  );
  const open = ["/healthz", { path: "/hook", methods: ["POST"] }];
  openUrl = await scene.listen(
    enforcer.createServer(
      (incoming, response, caller) => {
        response.end(`${caller?.account ?? "nobody"} at ${String(incoming.url)}`);
      },
      certificate,
      { open },
    ),
  );
});

/** Sends a request line as it is; returns status and code, or the body. */
async function asIs(url: string, line: string, tls: object = {}): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), ca: good.ca, ...tls });
  socket.setEncoding("latin1").on("error", () => undefined);
  let text = "";
  socket.on("data", (part: string) => (text += part));
  socket.write(`${line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  await once(socket, "close");
  return `${text.split(" ")[1] ?? "cut off"} ${/"code":"(\w+)"/.exec(text)?.[1] ?? text.split("\r\n\r\n")[1] ?? ""}`;
}

test("the caller is on the request, with issuer and all", async () => {
  const { json } = await call(closedUrl, { tls: good });
  expect(json).toEqual({
    ...{ same: true, account: "acme", fingerprint: good.fingerprint, serial: good.serial },
    ...{ scopes: ["orders:read"], notAfter: expect.any(Number) as number },
    issuer: expect.stringMatching(/^[0-9a-f]{40,64}$/) as string,
  });
});

test.each([
  ["another Host", "Host: internal.example"],
  ["a second Host", "Host: 127.0.0.1\r\nHost: internal.example"],
])("%s is noticed on a connection that has been right before", async (_name, hosts) => {
  const { key, cert, ca } = good;
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(closedUrl).port), key, cert, ca });
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part));
  const get = (lines: string): boolean => socket.write(`GET / HTTP/1.1\r\n${lines}\r\n\r\n`);
  get("Host: 127.0.0.1");
  await once(socket, "data");
  get(hosts);
  await once(socket, "close");
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 421"]);
});

test("nothing that decides on nothing can be added to a server", () => {
  const { enforcer, certificate } = shared.scene;
  const server = enforcer.createServer(() => undefined, certificate, { http2: true });
  for (const event of ["request", "checkContinue", "checkExpectation", "stream", "upgrade", "connect"]) {
    expect(() => server.on(event, () => undefined), event).toThrow(`no listener for '${event}'`);
  }
  expect(() => new WebSocketServer({ server: server as unknown as Server })).toThrow("enforcer.upgrade()");
  server.on("error", () => undefined);
});

describe("open paths", () => {
  test.each([
    ["the path", "GET /healthz HTTP/1.1", "200 nobody at /healthz"],
    ["with a query", "GET /healthz?deep=1 HTTP/1.1", "200 nobody at /healthz?deep=1"],
    ["a method that was named", "POST /hook HTTP/1.1", "200 nobody at /hook"],
  ])("%s: open", async (_name, line, expected) => {
    expect(await asIs(openUrl, line)).toBe(expected);
  });

  test.each([
    ["another path", "GET / HTTP/1.1"],
    ["one below", "GET /healthz/orders HTTP/1.1"],
    ["another method", "POST /healthz HTTP/1.1"],
    ["a method that was not named", "GET /hook HTTP/1.1"],
    ["dot segments", "GET /healthz/../orders HTTP/1.1"],
    ["dot segments that lead to it", "GET /orders/../healthz HTTP/1.1"],
    ["an encoded slash", "GET /healthz%2f..%2forders HTTP/1.1"],
    ["encoded letters", "GET /%68ealthz HTTP/1.1"],
    ["doubled slashes", "GET //healthz HTTP/1.1"],
    ["a slash at its end", "GET /healthz/ HTTP/1.1"],
    ["other case", "GET /HEALTHZ HTTP/1.1"],
    ["absolute-form", "GET https://127.0.0.1/healthz HTTP/1.1"],
    ["a parameter", "GET /healthz;/../orders HTTP/1.1"],
    ["a fragment", "GET /healthz#/../orders HTTP/1.1"],
    ["a backslash", "GET /healthz\\..\\orders HTTP/1.1"],
  ])("%s: not open", async (_name, line) => {
    expect(await asIs(openUrl, line)).toBe("401 CERT_REQUIRED");
  });

  test("elsewhere, a caller is known as ever", async () => {
    expect((await call(`${openUrl}/orders`, { tls: good })).text).toBe("acme at /orders");
  });

  test.each(["healthz", "/a/../b", "/a//b", "/a?b", "/a%2fb", "/*", ""])(
    "'%s' is no path to open",
    (path) => {
      const { enforcer, certificate } = shared.scene;
      const open = ["/healthz", path];
      const fault = expect.objectContaining({ code: "CONFIG_INVALID" }) as Error;
      expect(() => enforcer.createServer(() => undefined, certificate, { open })).toThrow(fault);
      expect(() => enforcer.express({ open })).toThrow(fault);
    },
  );
});

describe("refused in TLS", () => {
  async function gated(http2?: true): Promise<string> {
    const { scene } = shared;
    const handler = (_request: IncomingMessage, response: ServerResponse): void => {
      response.end("hello");
    };
    const { enforcer, certificate } = scene;
    return scene.listen(
      http2
        ? enforcer.createServer(handler, certificate, { refuseInTls: true, http2 })
        : enforcer.createServer(handler, certificate, { refuseInTls: true }),
    );
  }

  test("whoever would be refused gets no answer; others are served", async () => {
    const { scene } = shared;
    const url = await gated();
    const revoked = await scene.credential("acme");
    await scene.revoke(revoked);
    const offRecord = await signedOffRecord(scene.home);
    const line = "GET / HTTP/1.1";
    expect(await asIs(url, line)).toBe("cut off ");
    expect(await asIs(url, line, offRecord)).toBe("cut off ");
    await expect.poll(() => asIs(url, line, revoked)).toBe("cut off ");
    expect(await asIs(url, line, good)).toBe("200 hello");
    const said = scene.log.filter(({ message }) => message === "refused in TLS").map(({ code }) => code);
    expect(said).toEqual(["CERT_REQUIRED", "CERT_UNKNOWN", "CERT_REVOKED"]);
    expect(scene.log.find(({ code }) => code === "CERT_REVOKED")).toMatchObject({ account: "acme" });
  });

  test("in HTTP/2 too", async () => {
    const url = await gated(true);
    const session = await openSession(url, good);
    expect((await ask(session, "/")).text).toBe("hello");
    session.destroy();
    await expect(openSession(url, { ca: good.ca })).rejects.toThrow();
    expect(await asIs(url, "GET / HTTP/1.1")).toBe("cut off ");
  });

  test("one that is not in memory yet is looked up first", async () => {
    const { scene } = shared;
    const url = await gated();
    expect(await asIs(url, "GET / HTTP/1.1", await scene.credential("acme"))).toBe("200 hello");
  });

  test("with a certificate of another CA, the log has what TLS said", async () => {
    const { scene } = shared;
    expect(await asIs(await gated(), "GET / HTTP/1.1", await expiredSelfSigned())).toBe("cut off ");
    const said = { code: "CERT_UNTRUSTED", authorizationError: "CERT_HAS_EXPIRED" };
    expect(scene.log).toContainEqual(expect.objectContaining(said));
  });

  test("not together with open paths", () => {
    const { enforcer, certificate } = shared.scene;
    const options = { refuseInTls: true, open: ["/healthz"] };
    const fault = expect.objectContaining({ code: "CONFIG_INVALID" }) as Error;
    expect(() => enforcer.createServer(() => undefined, certificate, options)).toThrow(fault);
  });
});

describe("a server of one's own, with tlsOptions() and guard()", () => {
  async function own(guarded: boolean): Promise<string> {
    const { enforcer, certificate } = shared.scene;
    const server = createServer(enforcer.tlsOptions(certificate), (incoming, response) => {
      void enforcer.authorize(incoming, "orders:read").then((decision) => {
        if (!decision.allowed) {
          enforcer.deny(response, decision);
          return;
        }
        if (incoming.url === "/events") response.setHeader("Content-Type", "text/event-stream");
        response.write(incoming.caller?.account);
        if (incoming.url !== "/events") response.end();
      });
    });
    if (guarded) enforcer.guard(server, certificate);
    return shared.scene.listen(server);
  }

  test.each([true, false])("authorize() decides, and a stream is cut (guarded: %s)", async (guarded) => {
    const { scene } = shared;
    const url = await own(guarded);
    expect((await call(url, { tls: { ca: good.ca } })).json["code"]).toBe("CERT_REQUIRED");
    const credential = await scene.credential("acme");
    const sent = request(`${url}/events`, { ...credential, agent: false }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume().on("error", () => undefined);
    const closed = once(response, "close").catch(() => undefined);
    await scene.suspend(credential);
    await closed;
    expect(response.complete).toBe(false);
  });

  test("an idle connection ends with its credential, though it has asked nothing", async () => {
    const { scene } = shared;
    const credential = await scene.credential("acme");
    const url = await own(true);
    const { key, cert, ca } = credential;
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), key, cert, ca });
    socket.resume().on("error", () => undefined);
    await once(socket, "secureConnect");
    const closed = once(socket, "close");
    await scene.revoke(credential);
    await closed;
    const { fingerprint } = credential;
    const line = { fingerprint, account: "acme", kind: "HTTP/1.1", connections: 1 };
    expect(scene.log).toContainEqual(expect.objectContaining(line));
  });

  test("a new issuing CA is trusted from its change on", async () => {
    const { scene } = shared;
    const url = await own(true);
    const client = await scene.installForeignIssuer();
    const code = async (): Promise<unknown> => (await call(url, { tls: client })).json["code"];
    // It is signed by one of ours then, but not on record.
    await expect.poll(code).toBe("CERT_UNKNOWN");
    expect((await call(`${url}/`, { tls: good })).text).toBe("acme");
  });

  test("a denial is logged with what it denied", async () => {
    const { scene } = shared;
    await scene.account("poor");
    const poor = await scene.credential("poor");
    const answer = await call(`${await own(true)}/orders`, { tls: poor });
    expect(answer).toMatchObject({ status: 403, json: { code: "SCOPE_MISSING" } });
    const { requestId } = answer.json;
    const { fingerprint } = poor;
    const line = { requestId, code: "SCOPE_MISSING", fingerprint, account: "poor", path: "/orders" };
    expect(scene.log).toContainEqual(expect.objectContaining(line));
  });

  test("guard() wants TLS, and no listener that nobody decides for", () => {
    const { enforcer, certificate } = shared.scene;
    const plain = createHttpServer() as unknown as Server;
    expect(() => {
      enforcer.guard(plain, certificate);
    }).toThrow(TypeError);
    const server = createServer(enforcer.tlsOptions(certificate));
    server.on("upgrade", () => undefined);
    expect(() => {
      enforcer.guard(server, certificate);
    }).toThrow("listeners for upgrade");
  });

  test("a request on the same connection after a suspension is refused, and does not keep its caller", async () => {
    const { scene } = shared;
    const credential = await scene.credential("acme");
    const url = await own(true);
    const agent = keepAlive(credential);
    expect((await call(url, { agent })).text).toBe("acme");
    await scene.suspend(credential);
    await expect.poll(async () => (await call(url, { agent })).json["code"]).toBe("CERT_SUSPENDED");
    agent.destroy();
  });
});

test("a request that is decided on again, with scopes, counts once for its rate", async () => {
  const { scene } = shared;
  await scene.account("counted", "orders:read");
  const counted = await scene.credential("counted");
  await scene.limit("counted", { rate: parseRate("3/1h") });
  const { enforcer, certificate } = scene;
  const url = await scene.listen(
    enforcer.createServer((incoming, response) => {
      void Promise.all(
        ["orders:read", "orders:read"].map((scope) => enforcer.authorize(incoming, scope)),
      ).then((decisions) => response.end(String(decisions.every(({ allowed }) => allowed))));
    }, certificate),
  );
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push((await call(url, { tls: counted })).text.slice(0, 4));
  expect(answers).toEqual(["true", "true", "true", '{"ty']);
});
