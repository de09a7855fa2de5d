import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { format, inspect } from "node:util";
import {
  type ClientCredentials,
  type ClientOptions,
  CountersignError,
  type EnrollOptions,
  type ErrorCode,
  createAgent,
  createDispatcher,
  enroll,
  problemOf,
} from "countersign/client";
import { pino } from "pino";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { call } from "../support/client.ts";
import { issuedTo } from "../support/client-files.ts";
import { forgetfulCa } from "../support/forgetful-ca.ts";
import { freePort } from "../support/free-port.ts";
import { rootFingerprint, seenAs } from "../support/renewing-client.ts";
import { projectRoot, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

const server = sharedServer();
let workspace: Workspace;
let credentials: ClientCredentials;

beforeAll(async () => {
  workspace = await makeWorkspace();
  credentials = await enroll(await wanted("known"));
});
afterAll(() => workspace.remove());

async function wanted(account: string): Promise<EnrollOptions> {
  return { caUrl: server.ca, fingerprint: rootFingerprint(server), token: await server.token(account) };
}

const filesOf = (name: string) => ({
  key: workspace.file(`${name}.key`),
  cert: workspace.file(`${name}.crt`),
  ca: workspace.file(`${name}.ca.crt`),
});

/** The CA below the leaf, in a client's certificate file. */
const issuerIn = (chain: string): string => chain.slice(chain.lastIndexOf("-----BEGIN"));

/** What a call throws. */
async function errorOf(call: () => unknown): Promise<CountersignError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(CountersignError);
    return error as CountersignError;
  }
  throw new Error("nothing was thrown");
}

describe("enroll()", () => {
  test("gives frozen credentials, which say who they are of and show no key", () => {
    expect(credentials).toMatchObject({ caUrl: server.ca, account: "known", files: undefined });
    expect(credentials.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(credentials.serial).toMatch(/^[1-9a-f][0-9a-f]*$/);
    expect(credentials.notAfter - credentials.notBefore).toBe((24 * 60 + 1) * 60_000);
    expect(credentials.key).toContain("BEGIN PRIVATE KEY");
    expect(Object.isFrozen(credentials)).toBe(true);
    expect(inspect(credentials)).toContain(credentials.fingerprint);
  });

  test("shows its key in no log, and has it for an agent in a copy too", async () => {
    const credentials = await enroll(await wanted("logged"));
    const copy = { ...credentials };
    let log = "";
    const logger = pino({ base: null }, { write: (line) => (log += line) });
    for (const one of [credentials, copy]) {
      logger.info(one, "enrolled");
      logger.info({ credentials: one });
      log += JSON.stringify([one, { credentials: one }]);
      log += inspect(one, { depth: 9, showHidden: true }) + inspect({ credentials: one }, { depth: 9 });
      log += format("%o %j", { credentials: one }, one);
    }
    expect(log.split(credentials.fingerprint)).toHaveLength(16 + 1);
    expect(log).not.toContain("PRIVATE KEY");
    const agent = createAgent({ credentials: copy });
    onTestFinished(() => {
      agent.destroy();
    });
    expect(await seenAs(server, agent)).toBe(credentials.fingerprint);
  });

  test("stores what it got in files, encrypted, which an agent then keeps", async () => {
    const [files, passphrase] = [filesOf("stored"), "a long one"];
    const stored = await enroll({ ...(await wanted("stored")), keyType: "ed25519", files, passphrase });
    expect(stored.key).toBe(readFileSync(files.key, "latin1"));
    expect(stored.key).toContain("BEGIN ENCRYPTED PRIVATE KEY");
    expect(statSync(files.key).mode & 0o777).toBe(0o600);
    expect(readFileSync(files.cert, "latin1")).toBe(stored.cert);
    expect(
      await errorOf(() => createAgent({ credentials: stored, passphrase: "another passphrase" })),
    ).toMatchObject({ code: "PASSWORD_WRONG", message: `${files.key} does not open with this passphrase.` });
    expect(await errorOf(() => createAgent({ credentials: stored }))).toMatchObject({
      code: "PASSWORD_REQUIRED",
      message: `${files.key} is encrypted: it needs a passphrase.`,
    });
    const agent = createAgent({ credentials: stored, passphrase });
    writeFileSync(files.key, "somebody is at them");
    expect(await seenAs(server, agent)).toBe(stored.fingerprint);
    agent.destroy();
    expect(await errorOf(() => createAgent({ credentials: stored, passphrase }))).toMatchObject({
      code: "FILE_UNREADABLE",
      message: `${files.key} is not a private key in PEM.`,
    });
  });

  test.each<[string, ErrorCode, (options: EnrollOptions) => object | Promise<object>]>([
    ["another root", "SERVER_UNTRUSTED", () => ({ fingerprint: "ab".repeat(32) })],
    ["no fingerprint", "ID_MALFORMED", () => ({ fingerprint: "abc" })],
    ["no token", "TOKEN_MALFORMED", () => ({ token: "cst_abc" })],
    [
      "nobody there",
      "SERVER_UNREACHABLE",
      async () => ({ caUrl: `https://127.0.0.1:${String(await freePort())}` }),
    ],
    ["a file that is there", "FILE_EXISTS", () => ({ files: { ...filesOf("there"), cert: server.root } })],
    ["an option that there is not", "CONFIG_INVALID", () => ({ tokenFile: "client.token" })],
    ["another scheme", "CONFIG_INVALID", () => ({ caUrl: "http://127.0.0.1:8443" })],
    ["another key type", "CONFIG_INVALID", () => ({ keyType: "dsa" })],
    ["half of the files", "CONFIG_INVALID", () => ({ files: { key: "client.key" } })],
    ["a passphrase without files", "CONFIG_INVALID", () => ({ passphrase: "a long one" })],
    ["something missing", "CONFIG_INVALID", () => ({ token: undefined })],
  ])("with %s: %s", async (_what, code, change) => {
    const options = await wanted("refused");
    const error = await errorOf(async () => enroll({ ...options, ...(await change(options)) }));
    expect(error).toMatchObject({ code, name: "CountersignError" });
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.message).not.toContain(options.token);
  });

  test.each([
    ["lost", undefined],
    ["lost-of-files", "lost-of-files"],
  ])(
    "sends the same CSR again when the answer gets lost: the token is good for no other: %s",
    async (account, name) => {
      const ca = await forgetfulCa(server, 1);
      const files = name === undefined ? undefined : filesOf(name);
      const enrolled = await enroll({ ...(await wanted(account)), caUrl: ca.url, files });
      expect(ca.asked).toHaveLength(2);
      expect(new Set(ca.asked).size).toBe(1);
      expect(issuedTo(server.home, account)).toEqual([
        { fingerprint: enrolled.fingerprint, status: "active" },
      ]);
    },
  );

  test.each([
    ["another key", () => credentials.cert, "The CA's certificate is for another key."],
    ["nothing", () => "no certificate", "The CA's answer has no certificate in PEM."],
  ])("takes no certificate for %s, in memory or into files", async (what, chain, message) => {
    const ca = await forgetfulCa(server, 0, { chain: chain() });
    const files = filesOf(what);
    for (const where of [{}, { files }]) {
      const options = { ...(await wanted("other-key")), caUrl: ca.url, ...where };
      expect(await errorOf(() => enroll(options))).toMatchObject({ code: "SERVER_UNTRUSTED", message });
    }
    expect(existsSync(files.cert)).toBe(false);
  });

  test("a token that was used", async () => {
    const options = await wanted("used");
    await enroll(options);
    const error = await errorOf(() => enroll(options));
    expect(error).toMatchObject({ code: "TOKEN_USED", status: 403 });
    expect(error.message).toBe("This enrolment token was used already, with another CSR. Ask for a new one.");
  });
});

const otherKey = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" });

/** A service with a certificate of its own making. */
async function selfSigned(): Promise<{ readonly cert: string; readonly port: number }> {
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const out = ["-keyout", workspace.file("self.key"), "-out", workspace.file("self.crt")];
  await runOk("openssl", ["req", "-x509", "-newkey", "ed25519", "-nodes", ...subject, ...out]);
  const [key, cert] = ["self.key", "self.crt"].map((name) => readFileSync(workspace.file(name), "latin1"));
  const service = createServer({ key, cert }, (_request, response) => response.end("hello"));
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  onTestFinished(() => void service.close());
  return { cert: cert ?? "", port: (service.address() as AddressInfo).port };
}

describe.each([
  ["createAgent()", createAgent],
  ["createDispatcher()", createDispatcher],
])("%s", (where, create) => {
  test.each<[string, RegExp, () => object]>([
    ["nothing", /it takes either credentials or files/, () => ({})],
    ["both", /it takes either/, () => ({ credentials, files: filesOf("both") })],
    [
      "an option that there is not",
      /rejectUnauthorized: no such option/,
      () => ({ credentials, rejectUnauthorized: false }),
    ],
    // Another test may have had this root remembered: the issuing CA is nobody's root.
    [
      "no CA",
      /caUrl: missing/,
      () => ({ credentials: { ...credentials, ca: issuerIn(credentials.cert), caUrl: undefined } }),
    ],
    ["nothing to follow", /renew: without files/, () => ({ credentials, renew: false })],
    [
      "a key that is none",
      /credentials: key: not PEM/,
      () => ({ credentials: { ...credentials, key: "secret" } }),
    ],
    [
      "another CA that is none",
      /tls: ca: not a certificate/,
      () => ({ credentials, tls: { ca: "-----BEGIN it" } }),
    ],
    [
      "TLS left open",
      /tls: rejectUnauthorized: no such/,
      () => ({ credentials, tls: { rejectUnauthorized: false } }),
    ],
    ["a callback that is none", /onError: not a function/, () => ({ credentials, onError: "log" })],
    [
      "several faults",
      /caUrl: not an https.*renew: neither/,
      () => ({ credentials, caUrl: "ftp://a", renew: 1 }),
    ],
  ])("refuses %s", async (_what, message, options) => {
    const error = await errorOf(() => create(options()));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", status: 400 });
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(`What ${where} was given is not valid: `)).toBe(true);
  });

  test.each<[string, ErrorCode, () => ClientOptions]>([
    ["files that are not there", "FILE_UNREADABLE", () => ({ files: filesOf("none"), caUrl: server.ca })],
    ["somebody else's key", "FILE_UNREADABLE", () => ({ credentials: { ...credentials, key: otherKey } })],
    [
      "a certificate that is none",
      "FILE_UNREADABLE",
      () => ({ credentials: { ...credentials, cert: otherKey } }),
    ],
    [
      "a key that is none",
      "FILE_UNREADABLE",
      () => ({ credentials: { ...credentials, key: credentials.cert } }),
    ],
  ])("does not take %s: %s", async (_what, code, options) => {
    expect(await errorOf(() => create(options()))).toMatchObject({ code });
  });
});

test("the same certificate has one root in a process", async () => {
  const agent = createAgent({ credentials });
  const other = { ...credentials, ca: issuerIn(credentials.cert) };
  const error = await errorOf(() => createDispatcher({ credentials: other }));
  expect(error).toMatchObject({ code: "CONFIG_INVALID" });
  expect(error.message).toMatch(/credentials: ca: not the root that/);
  agent.destroy();
});

test("no CA is trusted but one's own root, and those that are named", async () => {
  const other = await selfSigned();
  const url = `https://127.0.0.1:${String(other.port)}`;
  const strict = createAgent({ credentials });
  await expect(call(url, { agent: strict })).rejects.toThrow(/self-signed certificate/);
  await expect(call(url, { agent: strict, tls: { rejectUnauthorized: false } })).rejects.toThrow(
    /self-signed/,
  );
  const told = createAgent({ credentials, tls: { ca: [other.cert] } });
  expect((await call(url, { agent: told })).text).toBe("hello");
  const [told1, told2] = [
    createDispatcher({ credentials }),
    createDispatcher({ credentials, tls: { ca: other.cert } }),
  ];
  await expect(request(url, { dispatcher: told1 })).rejects.toThrow(/self-signed certificate/);
  expect(await (await request(url, { dispatcher: told2 })).body.text()).toBe("hello");
  for (const agent of [strict, told]) agent.destroy();
  await Promise.all([told1.close(), told2.close()]);
});

describe("problemOf()", () => {
  test("is what an enforcing server refuses a call for", async () => {
    const dispatcher = createDispatcher({ credentials });
    const response = await fetch(`${server.enforce}/orders`, { dispatcher });
    const problem = await problemOf(response);
    expect(problem).toBeInstanceOf(CountersignError);
    expect(problem).toMatchObject({
      code: "NO_ROUTE",
      status: 404,
      message: "There is nothing at this path.",
    });
    expect(await response.json()).toMatchObject({ code: "NO_ROUTE" });
    await dispatcher.close();
  });

  const type = { "Content-Type": "application/problem+json" };
  test.each<[string, Response]>([
    ["a success", new Response('{"code":"CERT_REVOKED"}', { headers: type })],
    ["another's answer", new Response('{"code":"CERT_REVOKED"}', { status: 403 })],
    ["another's code", new Response('{"code":"TEAPOT"}', { status: 418, headers: type })],
    ["no JSON", new Response("no", { status: 403, headers: type })],
  ])("is nothing for %s", async (_what, response) => {
    expect(await problemOf(response)).toBeUndefined();
  });
});

test("package.json exports it where the build puts it", () => {
  const { exports } = JSON.parse(readFileSync(`${projectRoot}/package.json`, "utf8")) as {
    exports: Record<string, { types: string; default: string }>;
  };
  expect(Object.keys(exports)).toEqual([".", "./client"]);
  for (const { types, default: module } of Object.values(exports)) {
    const source = module.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts");
    expect(statSync(`${projectRoot}/${source}`).isFile()).toBe(true);
    expect(types).toBe(module.replace(/\.js$/, ".d.ts"));
  }
});
