import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { changeConfig } from "../../support/change-config.ts";
import { resolveConfig } from "../../../src/config.ts";
import { HOUR } from "../../../src/domain/time.ts";
import { type TestCredential, call, keepAlive } from "../../support/client.ts";
import { forwardAuthScene, passedOn, toldIn } from "../../support/forward-auth-scene.ts";
import { ask as askHttp2, openSession } from "../../support/http2-client.ts";
import { namesakeLeaf, selfSignedLike } from "../../support/impostors.ts";
import { issuedAt, signedOffRecord } from "../../support/own-issuer.ts";
import { serveHome } from "../../support/server.ts";
import { tlsTo } from "../../support/tls-to.ts";

const routes = [{ path: "/**", upstream: "app", scopes: ["everything"], upgrade: ["websocket"] }];
const scene = forwardAuthScene(
  { forwardAuth: { accounts: ["edge"] }, upstreams: { app: { url: "http://127.0.0.1:9" } }, routes },
  ["--http2"],
);

const certOf = ({ cert }: Pick<TestCredential, "cert">) => passedOn.bare(cert);
const about = (who: Pick<TestCredential, "cert">, headers: Record<string, string | string[]> = {}) => ({
  "X-Client-Cert": certOf(who),
  ...headers,
});
const issuerCert = () =>
  certOf({ cert: readFileSync(join(scene.server.home, "certs/issuer.crt"), "latin1") });

test.each(Object.keys(passedOn) as (keyof typeof passedOn)[])(
  "a caller is told of, whose certificate is passed on as %s",
  async (form) => {
    const { good } = scene;
    const answer = await scene.ask({ "X-Client-Cert": passedOn[form](good.cert) });
    const { notAfter } = (await scene.server.admin("show", good.fingerprint)) as { notAfter: string };
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect(answer.headers).toMatchObject({
      "x-client-account": "acme",
      "x-client-scopes": "orders:read",
      "x-client-fingerprint": good.fingerprint,
      "x-client-serial": good.serial,
      "x-client-not-after": notAfter,
      "cache-control": "no-store",
    });
  },
);

test("the CAs that came with it may follow behind commas", async () => {
  const said = `${certOf(scene.good)},${issuerCert()}`;
  expect(toldIn(await scene.ask({ "X-Client-Cert": said }))).toBe("200 acme");
});

test("without a certificate it is nobody, and never the proxy; the proxy's connection stays open", async () => {
  const agent = keepAlive(scene.edge);
  for (const said of [{}, { "X-Client-Cert": "" }, { X_Client_Cert: certOf(scene.good) }]) {
    const { status, headers, json } = await scene.ask(said, { agent });
    expect([status, json["code"]]).toEqual([401, "CERT_REQUIRED"]);
    expect(headers["x-client-denied"]).toBe("CERT_REQUIRED");
    expect(headers["www-authenticate"]).toContain("Certificate");
    expect(headers["x-client-account"]).toBeUndefined();
  }
  const { reusedSocket, status } = await scene.ask(about(scene.good), { agent });
  expect([status, reusedSocket]).toEqual([200, true]);
  agent.destroy();
});

test.each<[string, (good: string, pem: string) => string | string[]]>([
  ["twice", (good) => [good, good]],
  ["beside its caller's own", (good) => [good, certOf(scene.edge)]],
  ["joined with another", (good) => `${good}, ${certOf(scene.edge)}`],
  ["joined with an empty one", (good) => `${good},`],
  [
    "with more behind it",
    (good) => Buffer.concat([Buffer.from(good, "base64"), Buffer.from("x")]).toString("base64"),
  ],
  ["cut off", (good) => good.slice(0, 200)],
  ["as base64 of PEM", (_good, pem) => Buffer.from(pem).toString("base64")],
  ["as two PEM blocks", (_good, pem) => encodeURIComponent(pem)],
  ["wrongly encoded", (good) => `${good}%zz`],
  ["with parameters", (good) => `:${good}:;a=1`],
  ["by its fingerprint", () => scene.good.fingerprint],
  ["as its subject", () => "CN=acme"],
])("a certificate %s is nobody's", async (_what, said) => {
  const { good } = scene;
  const header = { "X-Client-Cert": said(certOf(good), good.cert) };
  expect(toldIn(await scene.ask(header))).toBe("401 CERT_UNTRUSTED");
});

test.each<[string, string, () => Promise<Pick<TestCredential, "cert">>]>([
  ["401 CERT_UNTRUSTED", "signed by itself", () => selfSignedLike(scene.good)],
  ["401 CERT_UNTRUSTED", "of our CA's namesake", () => namesakeLeaf(scene.server.home, ["clientAuth"])],
  [
    "403 CERT_PURPOSE",
    "of the CA",
    () => Promise.resolve({ cert: readFileSync(scene.server.root, "latin1") }),
  ],
  [
    "403 CERT_PURPOSE",
    "for servers",
    () => signedOffRecord(scene.server.home, { extendedKeyUsage: ["serverAuth"] }),
  ],
  ["403 CERT_UNKNOWN", "off record", () => signedOffRecord(scene.server.home)],
  ["403 CERT_EXPIRED", "past its end", () => issuedAt(scene.server.home, "acme", -48 * HOUR)],
  ["403 CERT_NOT_YET_VALID", "before its beginning", () => issuedAt(scene.server.home, "acme", HOUR)],
])("%s for a certificate %s", async (told, _what, made) => {
  const { cert } = await made();
  expect(toldIn(await scene.ask(about({ cert })))).toBe(told);
});

test("suspended, resumed, revoked: at once, on the same connection of the proxy", async () => {
  const victim = await scene.caller("victim");
  const agent = keepAlive(scene.edge);
  const told = async () => {
    const answer = await scene.ask(about(victim), { agent });
    return `${toldIn(answer)} ${String(answer.localPort)}`;
  };
  const { localPort } = await scene.ask(about(victim), { agent });
  const port = String(localPort);
  expect(await told()).toBe(`200 victim ${port}`);
  await scene.server.admin("suspend", victim.fingerprint);
  expect(await told()).toBe(`403 CERT_SUSPENDED ${port}`);
  await scene.server.admin("resume", victim.fingerprint);
  expect(await told()).toBe(`200 victim ${port}`);
  await scene.server.admin("account", "suspend", "victim");
  expect(await told()).toBe(`403 ACCOUNT_SUSPENDED ${port}`);
  await scene.server.admin("account", "resume", "victim");
  await scene.server.admin("revoke", victim.fingerprint);
  expect(await told()).toBe(`403 CERT_REVOKED ${port}`);
  agent.destroy();
});

test("a caller's address is what the proxy says last; without one no rule lets it in", async () => {
  const inside = await scene.caller("inside", "--allow-ip", "192.0.2.0/24");
  const outside = await scene.caller("outside", "--deny-ip", "192.0.2.0/24");
  const from = async (who: TestCredential, address?: string | string[]) =>
    toldIn(await scene.ask(about(who, address === undefined ? {} : { "X-Forwarded-For": address })));
  const refused = "403 ADDRESS_NOT_ALLOWED";
  expect(await from(inside, "192.0.2.7")).toBe("200 inside");
  expect(await from(inside, "198.51.100.1, ::ffff:192.0.2.7")).toBe("200 inside");
  expect(await from(inside, ["198.51.100.1", "192.0.2.7"])).toBe("200 inside");
  expect(await from(inside, "192.0.2.7, 198.51.100.1")).toBe(refused);
  expect(await from(inside, ["192.0.2.7", "198.51.100.1"])).toBe(refused);
  expect(await from(outside, "198.51.100.1")).toBe("200 outside");
  for (const who of [inside, outside])
    for (const said of [undefined, "", "unknown", "192.0.2.7,", "192.0.2.300"])
      expect([said, await from(who, said)]).toEqual([said, refused]);
});

test.each([
  ["?scope=orders:read", "200 acme"],
  ["?", "200 acme"],
  ["?scope=orders:write", "403 SCOPE_MISSING"],
  ["?scope=orders:read&scope=orders:write", "403 SCOPE_MISSING"],
  ["?scope=", "403 SCOPE_MISSING"],
  ["?scope=orders:read%20x", "403 SCOPE_MISSING"],
  ["?scopes=orders:read", "403 SCOPE_MISSING"],
  ["?scope=orders:read&debug", "403 SCOPE_MISSING"],
  ["?scope=orders:read?scope=orders:read", "403 SCOPE_MISSING"],
])("asked with %s: %s", async (query, told) => {
  expect(toldIn(await scene.ask(about(scene.good), { query }))).toBe(told);
});

test("the caller's rate counts each question once, and the proxy's is not told of", async () => {
  const limited = await scene.caller("limited", "--rate", "2/1h");
  await scene.server.admin("account", "update", "edge", "--rate", "1000000/1h");
  const first = await scene.ask(about(limited), { query: "?scope=none" });
  expect([first.status, first.headers["ratelimit"]]).toEqual([403, undefined]);
  for (const left of [1, 0]) {
    const { status, headers } = await scene.ask(about(limited));
    expect([status, headers["ratelimit"]]).toEqual([
      200,
      expect.stringContaining(`"account";r=${String(left)};`),
    ]);
  }
  const { status, headers, json } = await scene.ask(about(limited));
  expect([status, json["code"]]).toEqual([429, "RATE_LIMITED"]);
  expect(Number(headers["retry-after"])).toBeGreaterThan(60);
  expect((await scene.ask(about(scene.good))).headers["ratelimit"]).toBeUndefined();
});

test("whoever is no configured proxy finds nothing there, whatever the routes and whatever it says", async () => {
  const asking = (by: Partial<TestCredential>, headers = {}) => scene.ask(about(scene.edge, headers), { by });
  expect(toldIn(await asking(scene.good))).toBe("404 NO_ROUTE");
  expect(toldIn(await asking({}))).toBe("401 CERT_REQUIRED");
  const upgrade = { Connection: "Upgrade", Upgrade: "websocket" };
  for (const by of [scene.good, scene.edge]) expect((await asking(by, upgrade)).status).toBe(404);
});

test("why says of a call there what the server does, whatever its route would let through", async () => {
  const broad = await scene.caller("broad", "--scopes", "everything");
  const { server } = scene;
  const compared = async (by: TestCredential, method: string, path: string) => {
    const { status, json } = await call(server.enforce + path, {
      tls: { key: by.key, cert: by.cert, ca: by.ca },
      ...{ method, headers: about(scene.good) },
    });
    const why = await server.admin("why", by.fingerprint, "--method", method, "--path", path);
    return [status === 200 ? "ALLOWED" : json["code"], why["code"], why["route"]];
  };
  for (const method of ["GET", "POST"])
    expect(await compared(broad, method, "/forward-auth")).toEqual(["NO_ROUTE", "NO_ROUTE", undefined]);
  expect(await compared(scene.edge, "GET", "/forward-auth")).toEqual(["ALLOWED", "ALLOWED", undefined]);
  const refused = "METHOD_NOT_ALLOWED";
  expect(await compared(scene.edge, "POST", "/forward-auth")).toEqual([refused, refused, undefined]);
  const missing = "SCOPE_MISSING";
  expect(await compared(scene.edge, "GET", "/forward-auth/")).toEqual([missing, missing, "/**"]);
});

test("the proxy's other calls are anybody's: they need their route's scopes", async () => {
  const { key, cert, ca } = scene.edge;
  const told = async (path: string) =>
    toldIn(await call(scene.server.enforce + path, { tls: { key, cert, ca } }));
  expect(await told("/forward-auth/")).toBe("403 SCOPE_MISSING");
  expect(await told("/x?/forward-auth")).toBe("403 SCOPE_MISSING");
  expect(await told("/whoami")).toBe("200");
});

test("the proxy's own certificate is a caller's as any other", async () => {
  expect(toldIn(await scene.ask(about(scene.edge)))).toBe("200 edge");
  expect(toldIn(await scene.ask(about(scene.edge), { query: "?scope=orders:read" }))).toBe(
    "403 SCOPE_MISSING",
  );
});

test("GET and HEAD ask, nothing else does", async () => {
  const head = await scene.ask(about(scene.good), { method: "HEAD" });
  expect([head.status, head.headers["x-client-account"]]).toEqual([200, "acme"]);
  const refused = await scene.ask({}, { method: "HEAD" });
  expect([refused.status, refused.headers["x-client-denied"]]).toEqual([401, "CERT_REQUIRED"]);
  const post = await scene.ask(about(scene.good), { method: "POST", body: "x" });
  expect([post.status, post.json["code"], post.headers["allow"]]).toEqual([
    405,
    "METHOD_NOT_ALLOWED",
    "GET, HEAD",
  ]);
});

test("targets that are no URL do nobody any harm", async () => {
  for (const target of ["//", "*", "http://[/", "/%zz", "/forward-auth?%zz"]) {
    const socket = await tlsTo(scene.server.enforce, scene.good);
    socket.end(`OPTIONS ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    let text = "";
    for await (const piece of socket.setEncoding("latin1")) text += String(piece);
    expect(text).toMatch(/^HTTP\/1.1 4/);
  }
  expect(toldIn(await scene.ask(about(scene.good)))).toBe("200 acme");
});

test("over HTTP/2, a denial ends no session of the proxy's", async () => {
  const session = await openSession(scene.server.enforce, scene.edge);
  const told = async (headers: Record<string, string>) => {
    const answer = await askHttp2(session, "/forward-auth", headers);
    return [answer.status, answer.code ?? answer.headers["x-client-account"]];
  };
  expect(await told({})).toEqual([401, "CERT_REQUIRED"]);
  expect(await told({ "x-client-cert": certOf(scene.good) })).toEqual([200, "acme"]);
  session.destroy();
});

test("denials are logged and counted as the caller's, and its use is its own", async () => {
  const used = await scene.caller("used");
  const headers = { "X-Forwarded-For": "192.0.2.9", "User-Agent": "till/2.0" };
  await scene.ask(about(used, headers));
  await scene.ask(about(used, headers), { query: "?scope=a" });
  const metrics = await (await fetch(`${scene.server.metrics}/metrics`)).text();
  expect(metrics).toContain('countersign_account_requests_total{account="used"} 2\n');
  expect(metrics).toContain('countersign_account_denials_total{account="used",code="SCOPE_MISSING"} 1\n');
  expect(metrics).toMatch(/countersign_decisions_total\{code="CERT_UNKNOWN"\} [1-9]/);
  expect(metrics).not.toContain('countersign_account_denials_total{account="edge",code="CERT_REQUIRED"}');
  await scene.server.stop();
  expect(await scene.server.admin("show", used.fingerprint)).toMatchObject({
    ...{ requests: 2, denials: 1, lastAddress: "192.0.2.9", lastAgent: "till/2.0" },
  });
  const last =
    scene.server
      .log()
      .split("\n")
      .filter((line) => line.includes('"denied"'))
      .at(-1) ?? "";
  expect(JSON.parse(last)).toMatchObject({
    ...{ code: "SCOPE_MISSING", fingerprint: used.fingerprint, account: "used" },
    ...{ address: "192.0.2.9", proxy: "edge", route: "/forward-auth" },
  });
});

test("another path and header, and nothing but 401 and 403 where that is wanted", async () => {
  const { home, workspace } = scene.server;
  const forwardAuth = { accounts: ["edge"], path: "/ask/nginx", header: "X-Cert", onlyForbids: true };
  changeConfig(home, { forwardAuth, routes: [] });
  const server = await serveHome(workspace);
  try {
    const { key, cert, ca } = scene.edge;
    const ask = async (path: string, header: string, method = "GET") => {
      const headers = { [header]: certOf(scene.good) };
      const answer = await call(server.enforce + path, { tls: { key, cert, ca }, method, headers });
      return toldIn(answer);
    };
    expect(await ask("/ask/nginx", "X-Cert")).toBe("200 acme");
    expect(await ask("/ask/nginx", "X-Client-Cert")).toBe("401 CERT_REQUIRED");
    expect(await ask("/ask/nginx", "X-Cert", "PUT")).toBe("403 METHOD_NOT_ALLOWED");
    expect(await ask("/forward-auth", "X-Cert")).toBe("404 NO_ROUTE");
  } finally {
    await server.stop();
  }
});

test.each<[string, object]>([
  ["forwardAuth.accounts", { forwardAuth: { accounts: [] } }],
  [
    "forwardAuth.path: /whoami is answered otherwise",
    { forwardAuth: { accounts: ["edge"], path: "/whoami" } },
  ],
  ["forwardAuth.path", { forwardAuth: { accounts: ["edge"], path: "/a?b" } }],
  ["forwardAuth.header", { forwardAuth: { accounts: ["edge"], header: "x client" } }],
  [
    "routes.0.path: /forward-auth is where proxies ask",
    {
      ...{ forwardAuth: { accounts: ["edge"] }, upstreams: { app: { url: "http://127.0.0.1:9" } } },
      routes: [{ path: "/forward-auth", upstream: "app" }],
    },
  ],
])("a faulty configuration is refused: %s", (fault, file) => {
  expect(() => resolveConfig("/home", {}, {}, file)).toThrow(fault);
});
