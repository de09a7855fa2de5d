import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Enforcer, createEnforcer } from "../../src/index.ts";
import { freshHome } from "../support/fresh-home.ts";
import { issuedAt, listenerCertificate, makeTokens } from "../support/own-issuer.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let enforcer: Enforcer;
let tls: { key: string; cert: string };
const log: Record<string, unknown>[] = [];
const services: Server[] = [];
let [limited, unlimited] = [0, 0];
beforeAll(async () => {
  workspace = await makeWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  await makeTokens(home, "acme", 1);
  const { key, cert } = await issuedAt(home, "acme", 0);
  tls = { key, cert };
  const write = (fields: object, message: string): number => log.push({ ...fields, message });
  enforcer = await createEnforcer({ home, logger: { info: write, warn: write, error: write } });
  limited = await listening({ headerCount: 20, headerSize: 4096, bodySize: 1024 });
  unlimited = await listening({});
});
afterAll(async () => {
  for (const service of services) {
    service.close();
    service.closeAllConnections();
  }
  await enforcer.close();
  await workspace.remove();
});

/** Tells callers how many octets came. */
async function listening(limits: object): Promise<number> {
  const service = enforcer.createServer(
    (request, response) => {
      let octets = 0;
      request.on("data", (chunk: Buffer) => (octets += chunk.length));
      request.on("end", () => response.end(`got ${String(octets)}`));
    },
    listenerCertificate(workspace.file("home")),
    { limits },
  );
  services.push(service);
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  return (service.address() as AddressInfo).port;
}

/** Everything that comes back until the other side closes the connection, or has answered with `got`. */
function exchange(port: number, sent: string, brought: object = tls): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, ...brought, rejectUnauthorized: false });
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      text += part;
      if (/got \d+/.test(text)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      resolve(text);
    });
    socket.write(sent);
  });
}

const head = (...lines: string[]): string =>
  ["POST / HTTP/1.1", "Host: 127.0.0.1", ...lines].join("\r\n") + "\r\n\r\n";
const chunked = (count: number, octets = 512): string =>
  head("Transfer-Encoding: chunked") +
  `${octets.toString(16)}\r\n${"x".repeat(octets)}\r\n`.repeat(count) +
  "0\r\n\r\n";
const headers = (count: number): string[] => Array.from({ length: count }, (_, i) => `X-${String(i)}: 1`);
const withLength = (octets: number): string => head(`Content-Length: ${String(octets)}`) + "x".repeat(octets);

describe("a request", () => {
  test.each([
    ["with as many headers as there may be", head(...headers(18), "Content-Length: 0"), /^HTTP\/1\.1 200 /],
    ["with one more", head(...headers(19), "Content-Length: 0"), /^HTTP\/1\.1 431 [^]*\r\nConnection: close/],
    ["with larger headers", head(`X: ${"x".repeat(5000)}`), /^HTTP\/1\.1 431 /],
    ["with as long a body as there may be", withLength(1024), /got 1024/],
    ["with a longer one", withLength(1025), /^HTTP\/1\.1 413 [^]*\r\nConnection: close/],
    ["that says it has a longer one", head("Content-Length: 1025"), /^HTTP\/1\.1 413 /],
    ["with a body in chunks", chunked(2), /got 1024/],
    ["with too long a one in chunks is cut off", chunked(3), /^$/],
    [
      "that asks first whether its body may come",
      head("Content-Length: 1025", "Expect: 100-continue"),
      /^HTTP\/1\.1 413 /,
    ],
  ])("%s", async (_name, sent, answer) => {
    expect(await exchange(limited, sent)).toMatch(answer);
  });
});

describe("what is too large", () => {
  const acme = { account: "acme", fingerprint: expect.any(String) as string, address: "127.0.0.1" };
  const sent = { ...acme, method: "POST", path: "/" };
  const lines = (since: number): object[] => log.slice(since).filter(({ message }) => message === "denied");

  test.each([
    ["headers in number", head(...headers(19), "Content-Length: 0"), "HEADERS_TOO_LARGE", sent],
    ["headers in size", head(`X: ${"x".repeat(5000)}`), "HEADERS_TOO_LARGE", acme],
    ["a body", withLength(1025), "BODY_TOO_LARGE", sent],
  ])("is told and logged: %s", async (_name, request, code, fields) => {
    const before = log.length;
    const answer = await exchange(limited, request);
    expect(answer).toMatch(/\r\nContent-Type: application\/problem\+json\r\n/);
    const document = JSON.parse(answer.slice(answer.indexOf("{"))) as { code: string; requestId: string };
    expect(document.code).toBe(code);
    const { requestId } = document;
    expect(lines(before)).toEqual([{ message: "denied", requestId, code, ...fields }]);
  });

  test("is logged: a body that is cut off", async () => {
    const before = log.length;
    expect(await exchange(limited, chunked(3))).toBe("");
    const requestId = expect.any(String) as string;
    expect(lines(before)).toEqual([{ message: "denied", requestId, code: "BODY_TOO_LARGE", ...sent }]);
  });

  test("is not told to a stranger", async () => {
    expect(await exchange(limited, withLength(1025), {})).toContain('"code":"CERT_REQUIRED"');
  });

  test("is the last that is read of a connection: one answer, one line", async () => {
    const before = log.length;
    const twice = head(`X: ${"x".repeat(5000)}`).repeat(20);
    expect((await exchange(limited, twice)).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 431"]);
    expect(lines(before)).toHaveLength(1);
  });
});

test("Node is told of the times", async () => {
  await listening({ headerTime: 2000, requestTime: 3000, idleTime: 4000 });
  expect(services.at(-1)).toMatchObject({
    headersTimeout: 2000,
    requestTimeout: 3000,
    keepAliveTimeout: 4000,
  });
});

test("a body may have any size unless it is limited", async () => {
  expect(await exchange(unlimited, withLength(300_000))).toContain("got 300000");
  expect(await exchange(unlimited, chunked(300, 1024))).toContain("got 307200");
});
