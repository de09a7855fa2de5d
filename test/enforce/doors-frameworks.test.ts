import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer, request } from "node:https";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { afterAll, describe, expect, test } from "vitest";
import type { Caller } from "../../src/index.ts";
import { type TestCredential, call } from "../support/client.ts";
import { sharedScene } from "../support/door-scene.ts";
import { ask, begin, openSession } from "../support/http2-client.ts";

declare module "fastify" {
  interface FastifyRequest {
    caller?: Caller;
  }
}

let reader: TestCredential;
const closers: (() => Promise<unknown>)[] = [];
const shared = sharedScene(async (scene) => {
  await scene.account("acme", "orders:read");
  reader = await scene.credential("acme");
});
afterAll(async () => {
  for (const close of closers) await close();
});

function asking(url: string, credential: TestCredential | undefined, method = "GET") {
  return async (path: string): Promise<string> => {
    const tls = credential ?? { ca: reader.ca };
    const { status, json, text } = await call(url + path, { tls, method });
    return `${String(status)} ${(json["code"] as string | undefined) ?? text}`;
  };
}

describe("Express", () => {
  function app(): express.Express {
    const { enforcer } = shared.scene;
    const made = express();
    made.use(enforcer.express({ open: ["/healthz", "/api/live"] }));
    made.get("/healthz", (incoming, response) => {
      response.send(`well, ${String(incoming.caller?.account)}`);
    });
    made.get("/whoami", (incoming, response) => {
      const caller: Caller | undefined = incoming.caller;
      response.send(caller?.account);
    });
    made.get("/orders", enforcer.requireScope("orders:read"), (_incoming, response) => {
      response.send("orders");
    });
    made.post("/orders", enforcer.requireScope("orders:read", "orders:write"), (_incoming, response) => {
      response.send("ordered");
    });
    const api = express.Router();
    api.get(["/live", "/healthz"], (_incoming, response) => {
      response.send("live");
    });
    api.get("/items/:id", enforcer.requireScope("items:read"));
    made.use("/api", api);
    made.get("/events", (_incoming, response) => {
      response.set("Content-Type", "text/event-stream").write("begun\n");
    });
    return made;
  }

  test("its middleware decides on what is asked of a server of one's own", async () => {
    const { scene } = shared;
    const server = createServer(scene.enforcer.tlsOptions(scene.certificate), app());
    scene.enforcer.guard(server, scene.certificate);
    const url = await scene.listen(server);
    const [known, stranger] = [asking(url, reader), asking(url, undefined)];
    expect(await known("/whoami")).toBe("200 acme");
    expect(await known("/orders")).toBe("200 orders");
    expect(await asking(url, reader, "POST")("/orders")).toBe("403 SCOPE_MISSING");
    expect(await known("/api/items/7")).toBe("403 SCOPE_MISSING");
    const denied = { message: "denied", path: "/api/items/7", route: "/api/items/:id" };
    expect(scene.log).toContainEqual(expect.objectContaining(denied));
    expect(await stranger("/whoami")).toBe("401 CERT_REQUIRED");
    expect(await stranger("/nowhere")).toBe("401 CERT_REQUIRED");
    expect(await stranger("/healthz")).toBe("200 well, undefined");
    expect(await stranger("/api/live")).toBe("200 live");
    expect(await stranger("/api/healthz")).toBe("401 CERT_REQUIRED");
    expect(await stranger("/HEALTHZ")).toBe("401 CERT_REQUIRED");

    const credential = await scene.credential("acme");
    const sent = request(`${url}/events`, { ...credential, agent: false }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    const closed = once(response.on("error", () => undefined).resume(), "close").catch(() => undefined);
    await scene.revoke(credential);
    await closed;
    expect(response.complete).toBe(false);
  });

  test("a body is asked for after the decision only", async () => {
    const { scene } = shared;
    const made = express();
    made.use(scene.enforcer.express());
    made.post("/", (incoming, response) => {
      incoming.pipe(response);
    });
    const server = createServer(scene.enforcer.tlsOptions(scene.certificate), made);
    scene.enforcer.guard(server, scene.certificate);
    const url = await scene.listen(server);
    const post = async (tls: object): Promise<[number | undefined, boolean]> => {
      const headers = { Expect: "100-continue" };
      const sent = request(url, { method: "POST", headers, ca: reader.ca, agent: false, ...tls });
      let continued = false;
      sent.on("continue", () => {
        continued = true;
        sent.end("body");
      });
      sent.flushHeaders();
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      response.resume();
      sent.destroy();
      return [response.statusCode, continued];
    };
    expect(await post({})).toEqual([401, false]);
    expect(await post(reader)).toEqual([200, true]);
  });

  test("an app is served by createServer() as well", async () => {
    const { scene } = shared;
    const made = express();
    made.get("/orders", scene.enforcer.requireScope("orders:read"), (incoming, response) => {
      response.send(incoming.caller?.account);
    });
    const url = await scene.listen(
      scene.enforcer.createServer((incoming, response) => {
        made(incoming, response);
      }, scene.certificate),
    );
    expect(await asking(url, reader)("/orders")).toBe("200 acme");
    expect(await asking(url, undefined)("/orders")).toBe("401 CERT_REQUIRED");
  });

  test("requireScope() without a decision before it lets nobody in", async () => {
    const { scene } = shared;
    const made = express();
    made.get("/orders", scene.enforcer.requireScope("orders:read"), (_incoming, response) => {
      response.send("orders");
    });
    const url = await scene.listen(createServer(scene.enforcer.tlsOptions(scene.certificate), made));
    expect(await asking(url, reader)("/orders")).toBe("503 STATUS_UNAVAILABLE");
    expect(scene.log).toContainEqual(expect.objectContaining({ message: "a decision failed" }));
  });

  test("on a server that asks nobody for a certificate, nobody gets in, and the log says why", async () => {
    const { scene } = shared;
    const url = await scene.listen(createServer(scene.certificate, app()));
    expect(await asking(url, reader)("/whoami")).toBe("503 STATUS_UNAVAILABLE");
    expect(await asking(url, reader)("/healthz")).toBe("200 well, undefined");
    const said = scene.log.map(({ err }) => (err instanceof Error ? err.message : ""));
    expect(said).toContainEqual(expect.stringMatching("it asks callers for no certificate; make it with"));
  });

  test("on a listener without TLS, nobody gets in", async () => {
    const { scene } = shared;
    const server = createHttpServer(app());
    const url = (await scene.listen(server)).replace("https:", "http:");
    expect((await fetch(`${url}/whoami`)).status).toBe(503);
  });
});

describe.each([false, true])("Fastify, http2: %s", (http2) => {
  async function started(): Promise<string> {
    const { enforcer, certificate } = shared.scene;
    const https = enforcer.tlsOptions(certificate, { http2 });
    const app = http2
      ? (fastify({ http2: true, https: { ...https, allowHTTP1: true } }) as unknown as ReturnType<
          typeof plain
        >)
      : plain(https);
    await app.register((within, _options, done) => {
      within.get("/earlier", () => "earlier");
      done();
    });
    await app.register(enforcer.fastify, { certificate, open: ["/healthz"] });
    app.get("/healthz", () => "well");
    app.get("/whoami", (incoming) => String(incoming.caller?.account));
    app.get("/orders", { config: { scopes: ["orders:read"] } }, () => "orders");
    app.get("/items/:id", { config: { scopes: ["items:read"] } }, () => "item");
    app.post("/orders", { config: { scopes: ["orders:write"] } }, () => "ordered");
    app.get("/broken", { config: { scopes: "orders:read" as unknown as string[] } }, () => "broken");
    app.get("/events", (_incoming, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { "Content-Type": "text/event-stream" });
      reply.raw.write("begun\n");
    });
    await app.register((within, _options, done) => {
      within.get("/within/whoami", (incoming) => String(incoming.caller?.account));
      done();
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    closers.push(() => app.close());
    return `https://127.0.0.1:${String((app.server.address() as AddressInfo).port)}`;
  }

  test("its plugin decides on every route, and on none that there is", async () => {
    const { scene } = shared;
    const url = await started();
    const [known, stranger] = [asking(url, reader), asking(url, undefined)];
    expect(await known("/whoami")).toBe("200 acme");
    expect(await known("/within/whoami")).toBe("200 acme");
    expect(await known("/orders")).toBe("200 orders");
    expect(await asking(url, reader, "POST")("/orders")).toBe("403 SCOPE_MISSING");
    expect(await known(`/items/${http2 ? "2" : "1"}`)).toBe("403 SCOPE_MISSING");
    const denied = { message: "denied", path: `/items/${http2 ? "2" : "1"}`, route: "/items/:id" };
    expect(scene.log).toContainEqual(expect.objectContaining(denied));
    expect(await known("/broken")).toBe("503 STATUS_UNAVAILABLE");
    expect(await known("/nowhere")).toMatch(/^404 /);
    const paths = ["/whoami", "/within/whoami", "/earlier", "/orders", "/nowhere", "//healthz", "/%zz"];
    for (const path of paths) {
      expect(await stranger(path), path).toBe("401 CERT_REQUIRED");
    }
    expect(await stranger("/healthz")).toBe("200 well");

    if (!http2) return;
    const credential = await scene.credential("acme");
    const session = await openSession(url, credential);
    expect(await ask(session, "/whoami")).toMatchObject({ status: 200, text: "acme" });
    expect(await ask(session, "/whoami", { ":authority": "internal.example" })).toMatchObject({
      code: "MISDIRECTED",
    });
    const { stream } = await begin(session, "/events");
    const cut = once(stream.resume(), "close");
    await scene.suspend(credential);
    await cut;
    expect(await ask(session, "/orders")).toMatchObject({ status: 403, code: "CERT_SUSPENDED" });
    session.destroy();
  });
});

function plain(https: object) {
  return fastify({ https });
}

test("a request that comes to Fastify by another way than its server is decided on as well", async () => {
  const { enforcer, certificate } = shared.scene;
  const app = plain(enforcer.tlsOptions(certificate));
  await app.register(enforcer.fastify, { certificate });
  app.get("/whoami", () => "somebody");
  // A server beside Fastify's own, which leads to the same app.
  const second = createServer(enforcer.tlsOptions(certificate), (incoming, response) => {
    app.routing(incoming, response);
  });
  await app.ready();
  const url = await shared.scene.listen(second);
  expect(await asking(url, reader)("/whoami")).toBe("200 somebody");
  expect(await asking(url, undefined)("/whoami")).toBe("401 CERT_REQUIRED");
  expect((await app.inject("/whoami")).statusCode).toBe(503);
  await app.close();
});

test("Fastify without TLS is not to be had", async () => {
  const { enforcer, certificate } = shared.scene;
  const app = fastify();
  await expect(app.register(enforcer.fastify, { certificate })).rejects.toThrow(TypeError);
});
