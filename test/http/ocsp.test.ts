import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { admin } from "../support/command.ts";
import { changed, edited, edits, flipped, octet } from "../support/fuzzed-csrs.ts";
import { most } from "../support/fuzzed-server.ts";
import {
  type Named,
  certId,
  extensions,
  named,
  nonceOf,
  readAnswer,
  readSigned,
  requestOf,
} from "../support/ocsp.ts";
import { type OcspAnswerOverHttp, OcspServer } from "../support/ocsp-server.ts";
import { issuedAt } from "../support/own-issuer.ts";

// The responder as strangers reach it, over real HTTP.

const scene = new OcspServer();
const { server } = scene;
let issuer: Named;
let serial: string;
let request: Buffer;
beforeAll(() => {
  ({ issuer, serial } = scene);
  request = requestOf([certId(issuer, serial)]);
});

const fetched = scene.fetched.bind(scene);
const post = scene.post.bind(scene);
const get = scene.get.bind(scene);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** An OCSP response, with its status. */
function statusOf({ status, headers, body }: OcspAnswerOverHttp): number {
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("application/ocsp-response");
  expect(headers.get("content-length")).toBe(String(body.length));
  return readAnswer(body).status;
}

test("POST and GET give the same, which caches may keep for a minute", async () => {
  const [posted, got] = [await post(request), await get(request)];
  expect(statusOf(posted)).toBe(0);
  expect(got.body).toEqual(posted.body);
  const { singles } = readSigned(got.body);
  expect(singles).toMatchObject([{ status: "good", certId: certId(issuer, serial).toString("hex") }]);
  for (const { headers } of [posted, got]) {
    expect(headers.get("cache-control")).toBe("max-age=60, public, no-transform, must-revalidate");
    expect(Date.parse(headers.get("expires") ?? "")).toBe(singles[0]?.nextUpdate);
    expect(Date.parse(headers.get("last-modified") ?? "")).toBe(singles[0]?.thisUpdate);
    expect(headers.get("etag")).toMatch(/^"[0-9a-f]{64}"$/);
  }
});

test("GET takes base64 escaped or not, padded or not; HEAD has no body; an unchanged answer is 304", async () => {
  const whole = await get(request);
  const text = base64(request);
  for (const path of [text, encodeURIComponent(text), text.replace(/=+$/, "")]) {
    expect((await fetched(`/ocsp/${path}`)).body, path).toEqual(whole.body);
  }
  const head = await get(request, { method: "HEAD" });
  expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  expect(head.headers.get("content-length")).toBe(String(whole.body.length));
  const tag = whole.headers.get("etag") ?? "";
  const again = await get(request, { headers: { "If-None-Match": tag } });
  expect(again).toMatchObject({ status: 304, body: Buffer.alloc(0) });
  expect(again.headers.get("etag")).toBe(tag);
  expect((await get(request, { headers: { "If-None-Match": '"0"' } })).status).toBe(200);
});

/** The status line and all after it, for a request line as it is: fetch would tidy it up. */
async function raw(line: string): Promise<string> {
  const { hostname, port } = new URL(server.public);
  const socket = connect(Number(port), hostname);
  socket.end(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let answer = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
  await once(socket, "close");
  return answer;
}

test("GET may have the whole URL, as a proxy is asked", async () => {
  const path = `/ocsp/${encodeURIComponent(base64(request))}`;
  const whole = await raw(`GET http://ca.example${path}`);
  expect(whole).toMatch(/^HTTP\/1\.1 200 /);
  expect(Buffer.from(whole.slice(whole.indexOf("\r\n\r\n") + 4), "latin1")).toEqual(
    (await get(request)).body,
  );
  expect(await raw(`GET ftp://ca.example${path}`)).toMatch(/^HTTP\/1\.1 404 /);
});

test("what is signed for one caller is for nobody else", async () => {
  const nonce = Buffer.alloc(32, 3);
  const requestExtensions = extensions(2, nonceOf(nonce));
  for (const body of [
    requestOf([certId(issuer, serial)], { requestExtensions }),
    requestOf([certId(issuer, "7f00")]),
    requestOf([certId(issuer, serial), certId(issuer, serial)]),
    requestOf([]),
  ]) {
    for (const got of [await post(body), await get(body)]) {
      statusOf(got);
      expect(got.headers.get("cache-control")).toBe("no-store");
      expect(got.headers.get("etag")).toBe(null);
    }
  }
});

describe("what is no request has an answer that says so", () => {
  test.each<readonly [string, () => Promise<OcspAnswerOverHttp>]>([
    ["nothing", () => post(Buffer.alloc(0))],
    ["a body of text", () => post(Buffer.from("hello"))],
    ["a path of nothing", () => fetched("/ocsp/")],
    ["a path that is not base64", () => fetched("/ocsp/!!!")],
    ["a path with a broken escape", () => fetched("/ocsp/%")],
    ["a path with an escape that is not UTF-8", () => fetched("/ocsp/%ff")],
    ["a path with a query", () => fetched(`/ocsp/${encodeURIComponent(base64(request))}?x=1`)],
    ["a path with something after the padding", () => fetched("/ocsp/MAA=MAA=")],
    ["33 certificates", () => post(requestOf(Array<Buffer>(33).fill(certId(issuer, "1"))))],
    [
      "an empty nonce",
      () =>
        post(
          requestOf([certId(issuer, "1")], { requestExtensions: extensions(2, nonceOf(Buffer.alloc(0))) }),
        ),
    ],
    ["all that fits", () => post(Buffer.alloc(16 * 1024, 0x30))],
  ])("%s", async (_name, ask) => {
    expect(statusOf(await ask())).toBe(1);
  });

  test("of an issuer that is not ours, the offline root among them", async () => {
    const root = named(new X509Certificate(readFileSync(server.root)).raw);
    for (const other of [root, { ...issuer, subject: root.subject }, { ...root, subject: issuer.subject }]) {
      expect(statusOf(await post(requestOf([certId(other, serial)])))).toBe(6);
    }
    expect(statusOf(await post(requestOf([certId(issuer, serial, { algorithm: "sha512" })])))).toBe(6);
  });
});

describe("HTTP's own rules have HTTP's own errors", () => {
  const problem = ({ status, headers, body }: OcspAnswerOverHttp): unknown => {
    expect(headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
    return [status, (JSON.parse(body.toString()) as { code: string }).code];
  };

  test.each([
    ["GET", "/ocsp", "POST"],
    ["PUT", "/ocsp", "POST"],
    ["POST", "/ocsp/MAA=", "GET, HEAD"],
    ["DELETE", "/ocsp/MAA=", "GET, HEAD"],
  ])("%s %s is no method of that path", async (method, path, allowed) => {
    const got = await fetched(path, { method });
    expect(problem(got)).toEqual([405, "METHOD_NOT_ALLOWED"]);
    expect(got.headers.get("allow")).toBe(allowed);
  });

  test("a body of more than 16 KiB, or a compressed one, is refused", async () => {
    expect(problem(await post(Buffer.alloc(16 * 1024 + 1)))).toEqual([413, "BODY_TOO_LARGE"]);
    expect(problem(await post(request, { "Content-Encoding": "gzip" }))).toEqual([400, "BODY_MALFORMED"]);
  });

  test.each(["/ocspx", "/OCSP", "/ocsp?x=1", "//ocsp"])("%s is nowhere", async (path) => {
    expect(problem(await fetched(path))).toEqual([404, "NOT_FOUND"]);
  });

  test("a body that breaks off harms nobody", async () => {
    const { hostname, port } = new URL(server.public);
    const socket = connect(Number(port), hostname);
    socket.write("POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0");
    socket.end();
    socket.resume();
    await once(socket, "close");
    expect(statusOf(await post(request))).toBe(0);
  });
});

test("answers are counted by their status", async () => {
  const count = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`${server.metrics}/metrics`)).text();
    const lines = text.matchAll(/^countersign_ocsp_answers_total\{status="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, status = "", value]) => [status, Number(value)] as const));
  };
  const before = await count();
  const { serial: revoked } = await issuedAt(server.home, "acme", 0);
  await admin(server.home, "revoke", revoked);
  await post(requestOf([certId(issuer, serial), certId(issuer, revoked), certId(issuer, "7f")]));
  await get(request);
  await post(Buffer.from("x"));
  await fetched("/ocsp/!");
  await post(requestOf([certId({ ...issuer, subject: Buffer.of(0x30, 0) }, "1")]));
  const after = await count();
  const grown = Object.entries(after).map(([status, value]) => [status, value - (before[status] ?? 0)]);
  expect(Object.fromEntries(grown)).toMatchObject({
    ...{ good: 2, revoked: 1, unknown: 1, malformedRequest: 2, unauthorized: 1 },
  });
});

describe("whatever is sent, it is answered, and never with a fault of the server's", () => {
  /** Answers with OCSP's own statuses but internalError; HTTP's only for HTTP's faults. */
  async function expectAnswered(bytes: Uint8Array): Promise<void> {
    for (const got of [await post(bytes), await get(bytes)]) {
      const status = statusOf(got);
      expect([0, 1, 6]).toContain(status);
      if (status === 0) expect(readSigned(got.body).isSigned).toBe(true);
    }
  }
  const richly = (): Buffer =>
    requestOf([certId(issuer, serial, { algorithm: "sha256" }), certId(issuer, "ff")], {
      requestExtensions: extensions(2, nonceOf(Buffer.alloc(16, 1))),
    });

  test("random bytes", async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), expectAnswered), most(150));
  });

  test("requests with changes", async () => {
    const base = richly();
    const some = fc.array(fc.tuple(fc.nat(9999), octet), { minLength: 1, maxLength: 3 });
    const anyChange = fc.oneof(
      some.map((list) => changed(base, list)),
      edits.map((list) => edited(base, list)),
      fc.nat(base.length * 8 - 1).map((bit) => flipped(base, bit)),
    );
    expect(statusOf(await post(base))).toBe(0);
    await fc.assert(fc.asyncProperty(anyChange, expectAnswered), most(300));
  });

  test("paths of any kind", async () => {
    const part = fc.stringMatching(/^[A-Za-z0-9+/=%._~!$&'()*,;:@-]{0,80}$/);
    await fc.assert(
      fc.asyncProperty(part, async (text) => {
        expect(await raw(`GET /ocsp/${text}`)).toMatch(/^HTTP\/1\.1 200 /);
      }),
      most(150),
    );
  });
});
