import dns from "node:dns";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import fastify, { type FastifyPluginCallback } from "fastify";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type EnforcerOptions, createEnforcer } from "../../src/index.ts";
import { call } from "../support/client.ts";
import { TestDatabase } from "../support/databases.ts";
import { DoorScene } from "../support/door-scene.ts";
import { makeIssuer } from "../support/fixtures-issuer.ts";
import { signedOffRecord } from "../support/own-issuer.ts";
import { toPem } from "../../src/x509/pem.ts";

// An enforcer on a machine that has no home: it has the database's URL, and the root that it trusts.
const postgres = new TestDatabase("PostgreSQL");
let scene: DoorScene;
let databaseUrl: string;
let root: string;
beforeAll(async () => {
  await postgres.create();
  const { location } = postgres;
  databaseUrl = "url" in location ? location.url : "";
  scene = await DoorScene.open(databaseUrl);
  root = join(scene.home, "certs", "root.crt");
});
afterAll(async () => {
  await scene.close();
  await postgres.remove();
});

function fault(...parts: string[]): unknown {
  return expect.objectContaining({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(new RegExp(parts.join(".*"))) as string,
  });
}

test("by URL and root, it decides as a home's does", async () => {
  await scene.account("acme");
  const credential = await scene.credential("acme");
  const url = await scene.listen(
    scene.enforcer.createServer((_request, response, caller) => {
      response.end(caller.account);
    }, scene.certificate),
  );
  expect((await call(url, { tls: credential })).text).toBe("acme");
  const { ca } = credential;
  expect((await call(url, { tls: { ...(await signedOffRecord(scene.home)), ca } })).json["code"]).toBe(
    "CERT_UNKNOWN",
  );
  await scene.revoke(credential);
  await expect.poll(async () => (await call(url, { tls: credential })).json["code"]).toBe("CERT_REVOKED");
});

describe("is refused, with every fault", () => {
  const home = "/nowhere";
  test.each([
    [
      "nothing",
      (): object => ({}),
      ["valid: give it the CA's 'home', or a 'databaseUrl' with whom to 'trust'.$"],
    ],
    ["no options", (): undefined => undefined, ["valid: give it the CA's 'home'"]],
    ["what is none alone", () => ({ foo: 1 }), ["'databaseUrl'", '; Unrecognized key: "foo"']],
    ["a home and a slip", () => ({ home, foo: 1 }), ['valid: Unrecognized key: "foo"']],
    ["a logger that is none", () => ({ home, logger: { info: 1 } }), ["logger.info: not a function"]],
    ["a home and more", () => ({ home, trust: root, speed: 1 }), ["trust", "speed"]],
    ["no home", () => ({ home: "" }), ["home: "]],
    [
      "another database, no root",
      () => ({ databaseUrl: "mysql://a/b", trust: "" }),
      ["postgres://", "trust: "],
    ],
    ["a file that is none", () => ({ databaseUrl, trust: home }), ["trust: /nowhere"]],
    [
      "an issuing CA",
      () => ({ databaseUrl, trust: join(scene.home, "certs", "issuer.crt") }),
      ["not a root"],
    ],
    [
      "two roots",
      () => ({ databaseUrl, trust: readFileSync(root, "latin1").repeat(2) }),
      ["trust: not one certificate"],
    ],
    ["an option that there is not", () => ({ databaseUrl, trust: root, trusted: true }), ["trusted"]],
  ] as const)("%s", async (_name, options, parts) => {
    await expect(createEnforcer(options() as unknown as EnforcerOptions)).rejects.toEqual(fault(...parts));
  });

  test("another root than the records'", async () => {
    const { issuer } = await makeIssuer("ec-p256");
    const path = join(scene.home, "other.crt");
    writeFileSync(path, toPem("CERTIFICATE", issuer.der));
    await expect(createEnforcer({ databaseUrl, trust: path })).rejects.toEqual(
      fault("the root is not on record", "has not signed 'default'"),
    );
  });
});

test("a home that is not there is named as the option that it is", async () => {
  const home = join(scene.home, "nowhere");
  const message = `${home}, the 'home' of the enforcer's options, is not initialised: it has no config.json.`;
  const refusal = expect.objectContaining({ code: "HOME_MISSING", message }) as unknown;
  await expect(createEnforcer({ home })).rejects.toEqual(refusal);
});

test.each([
  ["24.7.0", "CONFIG_INVALID"],
  ["22.20.0", "CONFIG_INVALID"],
  ["24.8.0", "HOME_MISSING"],
  ["25.0.0", "HOME_MISSING"],
])("on Node %s, a start with a home that is not there is %s", async (node, code) => {
  vi.stubGlobal("process", Object.create(process, { versions: { value: { node } } }));
  const starting = createEnforcer({ home: "/nowhere" }).finally(() => vi.unstubAllGlobals());
  const message = expect.stringMatching(
    code === "HOME_MISSING" ? /config\.json/ : `countersign needs Node 24.8 or newer; this is ${node}.`,
  ) as unknown;
  await expect(starting).rejects.toEqual(expect.objectContaining({ code, message }));
});

describe("a door is refused", () => {
  type Loose = (...args: unknown[]) => unknown;
  const serving = (options: object): [string, ...unknown[]] => [
    "createServer",
    () => undefined,
    scene.certificate,
    options,
  ];
  const certified = (certificate: unknown): [string, ...unknown[]] => ["tlsOptions", certificate];

  test.each<[string, () => [string, ...unknown[]], string]>([
    [
      "slips of the pen",
      () => serving({ refuseInTLS: true, htttp2: true }),
      "refuseInTLS: no such .*; htttp2: no",
    ],
    ["text for on", () => serving({ refuseInTls: "on" }), "refuseInTls: 'on' is neither true nor false"],
    ["text for off", () => serving({ resumption: "off", http2: 1 }), "resumption: 'off' .*http2: a number"],
    ["text for a list", () => serving({ open: "/healthz" }), "open: not a list of paths"],
    ["an open path that is none", () => serving({ open: [null] }), "open: 'null' is not a plain path"],
    ["methods that are none", () => serving({ open: [{ path: "/a", methods: "GET" }] }), "methods of '/a'"],
    ["a path's slip", () => serving({ open: [{ path: "/a", methods: ["GET"], all: 1 }] }), "no option 'all'"],
    ["limits that are none", () => serving({ limits: 5 }), "limits: not an object"],
    ["options that are none", () => serving([]), "options: a list is not an object"],
    ["no handler", () => ["createServer", undefined, scene.certificate], "handler: not a function"],
    ["no certificate", () => ["createServer", () => undefined], "certificate: it takes { cert, key }"],
    [
      "files for PEM",
      () => certified({ cert: "a.crt", key: "a.key" }),
      "cert: not a certificate .*; key: not",
    ],
    ["broken PEM", () => certified({ ...scene.certificate, key: "-----BEGIN X" }), "key: not a private key"],
    [
      "options in the certificate",
      () => certified({ ...scene.certificate, resumption: false }),
      "certificate: 'resumption' is not of it, but an option",
    ],
    [
      "a gate on TLS options",
      () => ["tlsOptions", scene.certificate, { refuseInTls: true }],
      "refuseInTls: no such",
    ],
    ["no certificate to guard", () => ["guard", createServer()], "certificate: it takes"],
    ["a slip with Express", () => ["express", { opn: ["/healthz"] }], "opn: no such option; there are open"],
    ["no scopes", () => ["requireScope"], "scopes: none is given"],
    [
      "scopes that are none",
      () => ["requireScope", "a", ["b"], ""],
      "a list is not a scope .*; scopes: '' is",
    ],
    [
      "text for paths",
      () => ["upgrade", undefined, () => undefined, { paths: "/ws" }],
      "paths: '/ws' is not a list",
    ],
    [
      "paths that are none",
      () => ["upgrade", undefined, () => undefined, { paths: ["ws"] }],
      "'ws' is not a path",
    ],
    [
      "an upgrade's slip",
      () => ["upgrade", undefined, () => undefined, { scope: ["a"] }],
      "scope: no such option",
    ],
  ])("%s", (_name, asked, message) => {
    const [door, ...args] = asked();
    const opening = scene.enforcer as unknown as Record<string, Loose>;
    expect(() => opening[door]?.(...args)).toThrow(fault(message));
  });

  test("nothing where files are given as they were read; broken ones are", async () => {
    const cert = Buffer.from(scene.certificate.cert);
    const key = Buffer.from(scene.certificate.key);
    const server = scene.enforcer.createServer((_request, response) => response.end(), { cert, key });
    const url = await scene.listen(server);
    expect((await call(url, { tls: { ca: readFileSync(root) } })).json["code"]).toBe("CERT_REQUIRED");
    const broken = { cert, key: Buffer.from("-----BEGIN X") };
    expect(() => scene.enforcer.tlsOptions(broken)).toThrow(/key: not a private key/);
  });

  test("another's key", async () => {
    const { key } = await signedOffRecord(scene.home);
    const certificate = { ...scene.certificate, key };
    const faulty = fault("key: not that of the certificate") as Error;
    expect(() => scene.enforcer.tlsOptions(certificate)).toThrow(faulty);
  });

  test("a list of scopes where they were to be one by one, or a slip among authorize()'s options", async () => {
    const authorize: Loose = (...args) =>
      (scene.enforcer as unknown as Record<string, Loose>)["authorize"]?.(...args);
    await expect(authorize({}, ["orders:read"])).rejects.toEqual(fault("options: a list is not an object"));
    await expect(authorize({}, { scope: ["orders:read"] })).rejects.toEqual(fault("scope: no such option"));
  });

  test.each([
    ["asks callers for no certificate", { requestCert: false, rejectUnauthorized: false }],
    ["TLS itself refuses callers", { requestCert: true }],
  ])("a server that %s, to guard() and to Fastify", async (message, asking) => {
    const { certificate, enforcer } = scene;
    const server = createServer({ ...certificate, ...asking });
    const faulty = fault(message) as Error;
    expect(() => {
      enforcer.guard(server, certificate);
    }).toThrow(faulty);
    const app = fastify({ https: { ...certificate, ...asking } });
    await expect(app.register(enforcer.fastify, { certificate })).rejects.toEqual(faulty);
  });

  test.each([
    ["no certificate", () => ({}), "certificate: it takes"],
    [
      "an option of others",
      () => ({ certificate: scene.certificate, refuseInTls: true }),
      "refuseInTls: no such",
    ],
  ])("Fastify with %s", async (_name, options, message) => {
    const app = fastify({ https: scene.enforcer.tlsOptions(scene.certificate) });
    const plugin = scene.enforcer.fastify as (...args: Parameters<FastifyPluginCallback>) => void;
    await expect(app.register(plugin, options())).rejects.toEqual(fault(message));
  });
});

describe("Fastify that would make further servers for localhost", () => {
  test.each([{ port: 0 }, { port: 0, host: "localhost" }])("does not listen: %j", async (where) => {
    const lookup = vi.spyOn(dns, "lookup").mockImplementation((...args: unknown[]) => {
      const addresses = ["127.0.0.1", "::1"].map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
      (args.at(-1) as (error: null, found: unknown) => void)(null, addresses);
    });
    const { certificate, enforcer } = scene;
    const app = fastify({ https: enforcer.tlsOptions(certificate) });
    await app.register(enforcer.fastify, { certificate });
    const said = fault("For localhost, Fastify makes further servers", "Name an address to listen on");
    await expect(app.listen({ ...where })).rejects.toEqual(said);
    const byCallback = new Promise((resolve) => {
      app.listen({ ...where }, resolve);
    });
    expect(await byCallback).toEqual(said);
    expect(app.server.listening).toBe(false);
    expect(lookup).not.toHaveBeenCalled();
    lookup.mockRestore();
    await app.listen({ port: 0, host: "127.0.0.1" });
    expect(app.addresses()).toHaveLength(1);
    await app.close();
  });
});

test("an issuing CA that another root signed is not trusted, and no enforcer starts with it on record", async () => {
  const { enforcer, certificate, log } = scene;
  const url = await scene.listen(enforcer.createServer(() => undefined, certificate));
  const client = await scene.installForeignIssuer();
  const isSaid = expect.objectContaining({
    issuers: [expect.objectContaining({ name: "foreign" })],
  }) as object;
  await expect.poll(() => log).toContainEqual(isSaid);
  expect((await call(url, { tls: client })).json["code"]).toBe("CERT_UNTRUSTED");
  await expect(createEnforcer({ databaseUrl, trust: root })).rejects.toEqual(
    fault("has not signed 'foreign'"),
  );
});
