import { type Socket } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { freshRequest } from "../support/client.ts";
import { type RawAnswer, RawConnection } from "../support/raw-connection.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

// Requests that are wrong as HTTP, where an enrolment is taken before Express sees it.

const server = sharedServer();
let token: string;
let body: string;
let usual: string;
beforeAll(async () => {
  token = await server.token("acme");
  body = JSON.stringify({ csr: (await freshRequest()).csr });
  usual = `Host: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
});

const START = "POST /v1/certificates HTTP/1.1\r\n";
const length = () => `Content-Length: ${String(body.length)}\r\n`;

/** Sends that, and then nothing more when `ends`; returns what came back until an answer was whole or all was over. */
async function ask(parts: readonly (string | Uint8Array)[], ends: boolean): Promise<RawAnswer[]> {
  const connection = await RawConnection.open(server);
  onTestFinished(() => {
    connection.destroy();
  });
  connection.send(...parts);
  if (ends) (connection.socket as Socket).end();
  return Promise.race([connection.untilClosed(), connection.finalAnswer().then((answer) => [answer])]);
}

/** The answer's status, or none at all, and that nothing changed. */
async function expectRefused(
  parts: readonly (string | Uint8Array)[],
  status: number | undefined,
  ends = false,
): Promise<RawAnswer | undefined> {
  const before = snapshot(server.home);
  const [answer] = await ask(parts, ends);
  expect(answer?.status).toBe(status);
  expect(snapshot(server.home)).toEqual(before);
  return answer;
}

/** The same for what is refused as a body, with our own words. */
async function expectMalformed(parts: readonly (string | Uint8Array)[], detail: RegExp): Promise<void> {
  const answer = await expectRefused(parts, 400);
  expect(answer?.head).toContain("content-type: application/problem+json; charset=utf-8\r\n");
  const problem = JSON.parse(answer?.body ?? "") as Record<string, unknown>;
  expect(problem).toMatchObject({
    code: "BODY_MALFORMED",
    status: 400,
    detail: expect.stringMatching(detail) as string,
  });
}

describe("framing that is wrong is refused, and changes nothing", () => {
  test.each<[string, () => string, (number | "none")?, "ends"?]>([
    ["a control character in a header", () => `${START}${usual}X: \x01\r\n${length()}\r\n${body}`],
    ["a length that is too short", () => `${START}${usual}Content-Length: 5\r\n\r\n${body}`],
    ["a length that is too long", () => `${START}${usual}Content-Length: 9999\r\n\r\n${body}`, 400, "ends"],
    ["a negative length", () => `${START}${usual}Content-Length: -1\r\n\r\n${body}`],
    ["a length with a sign", () => `${START}${usual}Content-Length: +${String(body.length)}\r\n\r\n${body}`],
    ["two lengths", () => `${START}${usual}${length()}Content-Length: 3\r\n\r\n${body}`],
    ["the same length twice", () => `${START}${usual}${length()}${length()}\r\n${body}`],
    ["a length, and chunks", () => `${START}${usual}${length()}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a chunk that is none", () => `${START}${usual}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n`],
    [
      "chunks without an end",
      () => `${START}${usual}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
      400,
      "ends",
    ],
    [
      "chunks that are not the last coding",
      () => `${START}${usual}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    ],
    ["a huge header", () => `${START}${usual}X: ${"x".repeat(20_000)}\r\n${length()}\r\n${body}`, 431],
    ["thousands of headers", () => `${START}${usual}${"a: 1\r\n".repeat(3000)}${length()}\r\n${body}`, 431],
    ["a folded header", () => `${START}${usual}X: a\r\n b\r\n${length()}\r\n${body}`],
    ["line feeds alone", () => `${START}${usual}${length()}\r\n${body}`.replaceAll("\r\n", "\n")],
    ["no host", () => `${START}${usual.replace("Host: localhost\r\n", "")}${length()}\r\n${body}`],
    ["an expectation", () => `${START}${usual}Expect: magic\r\n${length()}\r\n${body}`, 417],
    ["another version of HTTP", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["something else altogether", () => "\x16\x03\x01\0\0hello\r\n\r\n"],
    ["a tunnel", () => `CONNECT localhost:443 HTTP/1.1\r\n${usual}\r\n`, "none", "ends"],
    ["another method", () => `PUT /v1/certificates HTTP/1.1\r\n${usual}${length()}\r\n${body}`, 405],
    [
      "another path's spelling",
      () => `POST /v1//certificates HTTP/1.1\r\n${usual}${length()}\r\n${body}`,
      404,
    ],
  ])("%s", async (_name, text, status = 400, ends) => {
    await expectRefused(
      [Buffer.from(text(), "latin1")],
      status === "none" ? undefined : status,
      ends === "ends",
    );
  });
});

describe("a body in a form that this route does not take is refused, and changes nothing", () => {
  test.each([
    "",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "application/json, application/pkcs10",
    "application/pkcs7-mime",
  ])("the type '%s'", async (type) => {
    const head = usual.replace("application/json", type);
    const detail = /^Send application\/json, or a CSR as application\/pkcs10\.$/;
    await expectMalformed([`${START}${head}${length()}\r\n${body}`], detail);
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["x", (text: string) => Buffer.from(text)],
  ] as [string, (text: string) => Buffer][])("the encoding '%s'", async (encoding, compress) => {
    const coded = compress(body);
    const head = `${usual}Content-Encoding: ${encoding}\r\nContent-Length: ${String(coded.length)}\r\n`;
    await expectMalformed([`${START}${head}\r\n`, coded], /\S/);
  });
});

test("the server that was asked all of this is unharmed: the same token enrols, its request in pieces", async () => {
  const pieces = [
    ...(`${START}${usual}${length()}\r\n`.match(/[^]{1,7}/g) ?? []),
    ...(body.match(/[^]{1,50}/g) ?? []),
  ];
  const [answer] = await ask(pieces, false);
  expect(answer?.status).toBe(201);
  expect(server.log()).not.toMatch(/"level":[56]0/);
});
