import { createPublicKey, randomBytes, sign } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorTable } from "../../src/domain/errors.ts";
import { type OpenApiDocument, openApiDocument } from "../../src/http/openapi/document.ts";
import { operations } from "../../src/http/openapi/operations.ts";
import { type TestCredential, type TestRequest, call, freshRequest } from "../support/client.ts";
import { type RealAnswer, faultsOf, operationOf } from "../support/described.ts";
import { basic } from "../support/est-client.ts";
import { forwardAuthScene, passedOn } from "../support/forward-auth-scene.ts";
import { certId, named, requestOf } from "../support/ocsp.ts";

describe("real answers are as they are described:", () => {
  const scene = forwardAuthScene(undefined, ["--approval"]);
  let served: OpenApiDocument;
  const [seen, refused] = [new Set<string>(), new Set<string>()];
  const fresh: Record<string, TestCredential> = {};
  const json = (value: unknown): TestRequest => ({
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(value),
  });
  const bearer = (token: string, request: TestRequest): TestRequest => ({
    ...request,
    headers: { ...request.headers, Authorization: `Bearer ${token}` },
  });

  beforeAll(async () => {
    const ca = await call(`${scene.server.ca}/openapi.json`, { tls: { ca: scene.edge.ca } });
    served = ca.json as unknown as OpenApiDocument;
    for (const name of ["renewing", "revoking", "leaking", "est"]) fresh[name] = await scene.caller("acme");
    fresh["limited"] = await scene.caller("slow", "--rate", "1/1d");
  });

  /** Sends a request to its listener, and looks at the answer; the status, and the code of a refusal. */
  async function told(
    path: string,
    request: TestRequest = {},
    by?: TestCredential,
  ): Promise<[string, RealAnswer]> {
    const { method = "GET" } = request;
    const operation = operationOf(method, path);
    if (!operation) throw new Error(`${method} ${path} is not described`);
    const url = scene.server[operation.listeners[0]] + path;
    const { ca } = scene.edge;
    const tls = by ? { key: by.key, cert: by.cert, ca } : { ca };
    const answer = url.startsWith("https:")
      ? await call(url, { ...request, tls })
      : await plain(url, request);
    expect(faultsOf(served, operation, answer), `${method} ${path}: ${answer.text}`).toEqual([]);
    const isRefusal = answer.headers["content-type"]?.includes("problem+json") === true;
    (isRefusal ? refused : seen).add(operation.id);
    const code = isRefusal ? ` ${(JSON.parse(answer.text) as { code: string }).code}` : "";
    return [`${String(answer.status)}${code}`, answer];
  }

  /** Node's own fetch would ask caches not to be used. */
  async function plain(
    url: string,
    { method = "GET", headers = {}, body }: TestRequest,
  ): Promise<RealAnswer> {
    const sent = httpRequest(url, { method, headers, agent: false }).end(body);
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, text: await textOf(answer) };
  }

  const tell = async (...asked: Parameters<typeof told>): Promise<string> => (await told(...asked))[0];
  const large = { method: "POST", body: "x".repeat(65 * 1024) };

  test("the document is the one that is made of the sources", async () => {
    expect(served).toEqual(openApiDocument(operations));
    const [status, { headers }] = await told("/openapi.json");
    expect(status).toBe("200");
    const tag = String(headers["etag"]);
    expect(await tell("/openapi.json", { headers: { "If-None-Match": tag } })).toBe("304");
  });

  test("enrolments", async () => {
    const path = "/v1/certificates";
    const token = await scene.server.token("acme");
    const { csr } = await freshRequest();
    expect(await tell(path, json({ csr }))).toBe("401 TOKEN_REQUIRED");
    expect(await tell(path, bearer("cst_x", json({ csr })))).toBe("401 TOKEN_MALFORMED");
    expect(await tell(path, bearer(token, json({ csr, sans: [] })))).toBe("400 BODY_MALFORMED");
    expect(await tell(path, bearer(token, json({ csr: "none" })))).toBe("400 CSR_MALFORMED");
    expect(await tell(path, bearer(token, large))).toBe("413 BODY_TOO_LARGE");
    expect(await tell(path, bearer(token, json({ csr, notAfter: "2001-01-01T00:00:00Z" })))).toBe(
      "400 VALIDITY_INVALID",
    );
    expect(await tell(path, bearer(token, json({ csr })))).toBe("201");
    const bare = { "Content-Type": "application/pkcs10", Accept: "application/pem-certificate-chain" };
    expect(await tell(path, bearer(token, { method: "POST", headers: bare, body: csr }))).toBe("201");
    expect(await tell(path, bearer(token, json(await another())))).toBe("403 TOKEN_USED");
  });

  const another = async () => ({ csr: (await freshRequest()).csr });

  test("renewals", async () => {
    const path = "/v1/certificates/renew";
    const own = fresh["renewing"];
    expect(await tell(path, json({}))).toBe("401 CERT_REQUIRED");
    expect(await tell(path, json({}), own)).toBe("400 BODY_MALFORMED");
    expect(await tell(path, json(await another()), own)).toBe("201");
    expect(await tell(path, json(await another()), own)).toBe("409 RENEWED_BEFORE");
  });

  test("requests without a token", async () => {
    const path = "/v1/requests";
    const approve = (verb: string, { text }: RealAnswer, ...more: string[]) =>
      scene.server.admin(
        "request",
        verb,
        (JSON.parse(text) as { keyFingerprint: string }).keyFingerprint,
        ...more,
      );
    const [approved, denied] = [json(await another()), json(await another())];
    expect(await tell(path, json({ csr: "none" }))).toBe("400 CSR_MALFORMED");
    const [status, waiting] = await told(path, approved);
    expect(status).toBe("202");
    await approve("approve", waiting, "--account", "acme");
    expect(await tell(path, approved)).toBe("201");
    await approve("deny", (await told(path, denied))[1]);
    expect(await tell(path, denied)).toBe("403 REQUEST_DENIED");
  });

  test("EST", async () => {
    const path = (route: string): string => `/.well-known/est/${route}`;
    const [token, own] = [await scene.server.token("acme"), fresh["est"]];
    const csrOf = async (): Promise<TestRequest> => ({
      method: "POST",
      headers: { "Content-Type": "application/pkcs10" },
      body: (await another()).csr,
    });
    const as = (password: string, request: TestRequest): TestRequest => ({
      ...request,
      headers: { ...request.headers, Authorization: basic(password) },
    });
    for (const route of ["cacerts", "client/cacerts", "csrattrs", "client/csrattrs"])
      expect(await tell(path(route)), route).toBe("200");
    for (const route of ["none/cacerts", "none/csrattrs"])
      expect(await tell(path(route))).toBe("404 NOT_FOUND");

    for (const label of ["", "client/"]) {
      const route = path(`${label}simpleenroll`);
      const [status, { headers }] = await told(route, await csrOf());
      expect([status, headers["www-authenticate"]]).toEqual([
        "401 TOKEN_REQUIRED",
        'Basic realm="countersign"',
      ]);
      expect(await tell(route, { ...(await csrOf()), body: "-" }, own)).toBe("400 BODY_MALFORMED");
      expect(await tell(route, as("", await csrOf()))).toBe("202");
    }
    expect(await tell(path("simpleenroll"), as(token, await csrOf()))).toBe("200");
    expect(await tell(path("none/simpleenroll"), as(await scene.server.token("acme"), await csrOf()))).toBe(
      "400 PROFILE_UNKNOWN",
    );
    const labelled = as(await scene.server.token("acme"), await csrOf());
    expect(await tell(path("client/simpleenroll"), labelled)).toBe("200");

    const renewed = await csrOf();
    for (const label of ["", "client/"]) {
      const route = path(`${label}simplereenroll`);
      expect(await tell(route, await csrOf())).toBe("401 CERT_REQUIRED");
      expect(await tell(route, renewed, own)).toBe("200");
      expect(await tell(path(`${label}serverkeygen`), await csrOf())).toBe("403 KEYGEN_REFUSED");
    }
  });

  test("a credential's own revocation, and what it is told then", async () => {
    const own = fresh["revoking"];
    const path = `/v1/certificates/${String(own?.fingerprint)}/revoke`;
    expect(await tell(path, json({}))).toBe("401 CERT_REQUIRED");
    expect(await tell(path, json({}), scene.good)).toBe("403 NOT_OWN_CREDENTIAL");
    expect(await tell(path, json({ reason: "boredom" }), own)).toBe("400 REASON_UNKNOWN");
    expect(await tell(path, json({ why: "" }), own)).toBe("400 BODY_MALFORMED");
    expect(await tell("/v1/certificates/%zz/revoke", json({}), own)).toBe("404 NOT_FOUND");
    expect(await tell(path, json({}), own)).toBe("200");
    expect(await tell("/whoami", {}, own)).toBe("403 CERT_REVOKED");
  });

  test("proofs of a leaked key", async () => {
    const [path, own] = ["/v1/key-compromise", fresh["leaking"]];
    expect(await tell(path, large)).toBe("413 BODY_TOO_LARGE");
    const [status, { text }] = await told(path, { method: "POST" });
    expect(status).toBe("201");
    const { nonce } = JSON.parse(text) as { nonce: string };
    const publicKey = createPublicKey(String(own?.key)).export({ format: "pem", type: "spki" });
    const signed = sign("sha256", Buffer.from(`countersign key compromise\n${nonce}`), String(own?.key));
    const proof = { nonce, publicKey, signature: signed.toString("base64") };
    const prove = (more: object) => tell(`${path}/proof`, json({ ...proof, ...more }));
    expect(await prove({ nonce: "x" })).toBe("403 NONCE_UNKNOWN");
    expect(await prove({ publicKey: "x" })).toBe("400 BODY_MALFORMED");
    expect(await prove({ signature: "AAAA" })).toBe("403 PROOF_INVALID");
    expect(await prove({})).toBe("200");
    expect(await prove({})).toBe("403 NONCE_USED");
  });

  test("who is calling", async () => {
    expect(await tell("/whoami")).toBe("401 CERT_REQUIRED");
    expect(await tell("/whoami", {}, scene.good)).toBe("200");
    const [status, { headers }] = await told("/whoami", {}, fresh["limited"]);
    expect([status, Object.keys(headers)]).toEqual([
      "200",
      expect.arrayContaining(["ratelimit", "ratelimit-policy"]),
    ]);
    expect(await tell("/whoami", {}, fresh["limited"])).toBe("429 RATE_LIMITED");
  });

  test("a proxy's questions", async () => {
    const headers = { "X-Client-Cert": passedOn.rfc9440(scene.good.cert), "X-Forwarded-For": "127.0.0.1" };
    const asked = (query: string, by: TestCredential | undefined) =>
      tell(`/forward-auth${query}`, { headers }, by);
    expect(await asked("?scope=orders:read", scene.edge)).toBe("200");
    expect(await asked("?scope=orders:write", scene.edge)).toBe("403 SCOPE_MISSING");
    expect(await asked("", scene.good)).toBe("404 NO_ROUTE");
    expect(await asked("", undefined)).toBe("401 CERT_REQUIRED");
  });

  test("what anyone may ask", async () => {
    const listed = (await scene.server.admin("issuer", "list")) as unknown;
    const id = String((listed as { role: string; id: string }[]).find(({ role }) => role !== "root")?.id);
    for (const path of ["/roots.pem", "/health", "/healthz", "/readyz", "/metrics", `/issuers/${id}.crt`])
      expect(await tell(path), path).toBe("200");
    for (const name of [`${id}.crl`, `${id}.pem`]) {
      const [status, { headers }] = await told(`/crl/${name}`);
      expect(status).toBe("200");
      const known = { "If-None-Match": String(headers["etag"]) };
      expect(await tell(`/crl/${name}`, { headers: known })).toBe("304");
    }
    for (const path of ["/crl/none.crl", "/issuers/none.crt"]) expect(await tell(path)).toBe("404 NOT_FOUND");

    const issuer = await fetch(`${scene.server.public}/issuers/${id}.crt`);
    const about = certId(named(new Uint8Array(await issuer.arrayBuffer())), scene.good.serial);
    const request = requestOf([about]);
    const ocsp = { method: "POST", headers: { "Content-Type": "application/ocsp-request" } };
    expect(await tell("/ocsp", { ...ocsp, body: request })).toBe("200");
    expect(await tell("/ocsp", { ...ocsp, body: randomBytes(17 * 1024) })).toBe("413 BODY_TOO_LARGE");
    const inPath = `/ocsp/${encodeURIComponent(request.toString("base64"))}`;
    const [status, { headers }] = await told(inPath);
    expect(status).toBe("200");
    expect(await tell(inPath, { headers: { "If-None-Match": String(headers["etag"]) } })).toBe("304");
    expect(await tell("/ocsp/none")).toBe("200");
  });

  afterAll(() => {
    const granting = operations.filter(({ responses }) => Object.keys(responses).length > 0);
    const refusing = operations.filter(({ codes }) => codes.some((code) => errorTable[code][0] < 500));
    expect(granting.map(({ id }) => id).filter((id) => !seen.has(id))).toEqual([]);
    // That one refuses in a home without the profile `client` alone.
    expect(refusing.map(({ id }) => id).filter((id) => !refused.has(id))).toEqual(["getEstCsrAttrs"]);
  });
});
