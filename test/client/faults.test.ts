import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, type Server, createServer as createTcpServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { tellClocks } from "../../src/client/ca/clock-fault.ts";
import { enroll, fetchRoot } from "../../src/client/enrol/enroll.ts";
import { httpsRequest } from "../../src/client/ca/https.ts";
import { renewFiles } from "../../src/client/renewal/renew-files.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { toPem } from "../../src/x509/pem.ts";
import { freshHome } from "../support/fresh-home.ts";
import { listenerCertificate, signedOffRecord, stolenIssuer } from "../support/own-issuer.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

const someFingerprint = parseFingerprint("ab".repeat(32));
let workspace: Workspace;
let home: string;
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await freshHome(home);
});
afterAll(() => workspace.remove());

/** Has a server listen for the length of a test; returns its port. */
async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

describe("why a server cannot be reached is said in a sentence", () => {
  const fault = (url: string, options = {}): Promise<unknown> =>
    httpsRequest(new URL(url), { rejectUnauthorized: false, ...options }).catch((error: unknown) => error);

  test("nobody listens", async () => {
    expect(await fault("https://127.0.0.1:1")).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: "Nobody listens at 127.0.0.1:1 (ECONNREFUSED).",
    });
  });

  test("there is no such host", async () => {
    const lookup = (_host: string, _options: unknown, done: (error: Error) => void): void => {
      done(Object.assign(new Error("not found"), { code: "ENOTFOUND" }));
    };
    expect(await fault("https://ca.test:8443", { lookup })).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: "There is no host called ca.test (ENOTFOUND).",
    });
  });

  test("nobody answers in time", async () => {
    const port = await listen(createTcpServer(() => undefined));
    expect(await fault(`https://127.0.0.1:${port}`, { timeout: 20 })).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: `127.0.0.1:${port} does not answer (ETIMEDOUT).`,
    });
  });

  test("the connection is cut", async () => {
    const port = await listen(
      createTcpServer((socket) => socket.once("data", () => void socket.resetAndDestroy())),
    );
    expect(await fault(`https://127.0.0.1:${port}`)).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: `127.0.0.1:${port} has cut the connection (ECONNRESET).`,
    });
  });

  test("the port is one for plain HTTP", async () => {
    const port = await listen(createHttpServer((_request, response) => response.end("ok")));
    expect(await fault(`https://127.0.0.1:${port}`)).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: `127.0.0.1:${port} does not speak TLS: it may be a port for plain HTTP.`,
      detail: undefined,
    });
  });

  test("the server refuses the handshake", async () => {
    const port = await listen(createTlsServer({}).on("tlsClientError", () => undefined)); // it has no certificate
    expect(await fault(`https://127.0.0.1:${port}`)).toMatchObject({
      code: "SERVER_UNTRUSTED",
      message: `The TLS handshake with 127.0.0.1:${port} failed (EPROTO).`,
    });
  });

  test("the server is no CA", async () => {
    const server = createHttpsServer(listenerCertificate(home), (_request, response) => {
      response.writeHead(404).end("<html>");
    });
    const port = await listen(server);
    await expect(fetchRoot(`https://127.0.0.1:${port}`, someFingerprint)).rejects.toMatchObject({
      code: "SERVER_UNTRUSTED",
      message: `127.0.0.1:${port} is not a CA listener: it shows no root.`,
    });
  });
});

describe("a certificate that is not valid now is told with whose clock is wrong", () => {
  const root = (): string => readFileSync(`${home}/certs/root.crt`, "latin1");

  /** A CA whose listener has a certificate of this validity, and that says it is this late. */
  async function caWith(validity: { notBefore: number; notAfter: number }, date: number): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { issuer, sign } = stolenIssuer(home);
    const leaf = await sign(publicKey.export({ format: "der", type: "spki" }), {
      ...{ extendedKeyUsage: ["serverAuth"], addresses: ["127.0.0.1"], ...validity },
    });
    const cert = toPem("CERTIFICATE", leaf) + toPem("CERTIFICATE", issuer.der);
    const key = privateKey.export({ format: "pem", type: "pkcs8" });
    const server = createHttpsServer({ cert, key }, (request, response) => {
      seen.push(`${request.method ?? ""} ${JSON.stringify(request.headers)}`);
      response.setHeader("Date", new Date(date).toUTCString()).end(); // of NaN, Invalid Date
    });
    return `https://127.0.0.1:${await listen(server)}`;
  }

  let seen: string[];
  async function told(url: string): Promise<unknown> {
    seen = [];
    const error: unknown = await enroll(url, root(), "cst_token", "csr").catch((error: unknown) => error);
    const better = await tellClocks(error, url, { now: () => Date.now() });
    expect(seen.join("\n")).not.toContain("cst_token");
    return better;
  }

  test("this machine's is behind", async () => {
    const later = Date.now() + 3 * DAY;
    const url = await caWith({ notBefore: later - MINUTE, notAfter: later + DAY }, later);
    expect(await told(url)).toMatchObject({
      code: "CLOCK_WRONG",
      message: expect.stringMatching(
        /^This machine's clock \(\S+Z\) is 3 days behind that of 127\.0\.0\.1:\d+, so that its certificate does not look valid\. Set the clock\.$/,
      ) as string,
    });
    expect(seen).toHaveLength(1);
  });

  test("this machine's is ahead", async () => {
    const earlier = Date.now() - 5 * HOUR;
    const url = await caWith({ notBefore: earlier - MINUTE, notAfter: earlier + HOUR }, earlier);
    expect(await told(url)).toMatchObject({
      code: "CLOCK_WRONG",
      message: expect.stringContaining("is 5 hours ahead of that of 127.0.0.1") as string,
    });
  });

  test("nobody's: the certificate has expired", async () => {
    const now = Date.now();
    const url = await caWith({ notBefore: now - 2 * HOUR, notAfter: now - HOUR }, now);
    expect(await told(url)).toMatchObject({
      code: "SERVER_UNTRUSTED",
      message: expect.stringMatching(
        /^The certificate of 127\.0\.0\.1:\d+ has expired\. Its own clock agrees: an admin has to renew it\.$/,
      ) as string,
    });
  });

  test("the server does not say what it takes the time for", async () => {
    const later = Date.now() + DAY;
    const url = await caWith({ notBefore: later, notAfter: later + DAY }, Number.NaN);
    expect(await told(url)).toMatchObject({
      code: "CLOCK_WRONG",
      message: expect.stringMatching(
        /^By this machine's clock, the certificate of \S+ is not valid yet\./,
      ) as string,
    });
  });

  test("also when renewing from files", async () => {
    const later = Date.now() + 3 * DAY;
    const caUrl = await caWith({ notBefore: later - MINUTE, notAfter: later + DAY }, later);
    const credential = await signedOffRecord(home);
    const file = (name: "key" | "cert" | "ca"): string => {
      writeFileSync(workspace.file(name), name === "ca" ? root() : credential[name]);
      return workspace.file(name);
    };
    const files = { key: file("key"), cert: file("cert"), ca: file("ca") };
    seen = [];
    await expect(
      renewFiles({ caUrl, files, force: true, clock: { now: () => Date.now() } }),
    ).rejects.toMatchObject({
      code: "CLOCK_WRONG",
      message: expect.stringContaining("is 3 days behind that of 127.0.0.1") as string,
    });
  });

  test("another error stays what it is", async () => {
    const error = new Error("something else");
    expect(await tellClocks(error, "https://127.0.0.1:1", { now: () => 0 })).toBe(error);
  });
});
