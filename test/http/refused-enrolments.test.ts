import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type IssuingCode, errorTable } from "../../src/domain/errors.ts";
import { makeToken } from "../../src/domain/token.ts";
import { call, enrolled, freshRequest, requestCertificate } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const server = sharedServer();
let open: string;
let good: string;
beforeAll(async () => {
  open = await server.token("acme");
  good = (await freshRequest()).csr;
});

/** Asks, expects the refusal, and that the database is as it was. */
async function expectRefusal(
  code: IssuingCode,
  message: RegExp,
  ask: () => ReturnType<typeof call>,
): Promise<void> {
  const before = snapshot(server.home);
  const answer = await ask();
  expect(answer.json).toMatchObject({ code, status: errorTable[code][0] });
  expect(answer.status).toBe(errorTable[code][0]);
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect(String(answer.json["detail"])).toMatch(message);
  if (answer.status === 401) expect(answer.headers["www-authenticate"]).toMatch(/^Bearer/);
  expect(snapshot(server.home)).toEqual(before);
}

function send(token: string | undefined, body: Record<string, unknown>) {
  return requestCertificate(server, token, body);
}

function sendRaw(body: string | Uint8Array, headers: Record<string, string> = {}) {
  return call(`${server.ca}/v1/certificates`, {
    method: "POST",
    body,
    headers: { Authorization: `Bearer ${open}`, "Content-Type": "application/json", ...headers },
    tls: { ca: readFileSync(server.root) },
  });
}

describe("the token", () => {
  test.each<[string, string | undefined, IssuingCode, RegExp]>([
    ["is missing", undefined, "TOKEN_REQUIRED", /Authorization: Bearer/],
    ["is something else", "AKIAIOSFODNN7EXAMPLE", "TOKEN_MALFORMED", /not an enrolment token/],
    ["is too short", "cst_abc", "TOKEN_MALFORMED", /not an enrolment token/],
  ])("%s", async (_name, token, code, message) => {
    await expectRefusal(code, message, () => send(token, { csr: good }));
  });

  test("has a typing error", async () => {
    const wrong = open.slice(0, 10) + (open.charAt(10) === "x" ? "y" : "x") + open.slice(11);
    await expectRefusal("TOKEN_MALFORMED", /typing error/, () => send(wrong, { csr: good }));
  });

  test("is unknown, though well formed", async () => {
    const token = makeToken((count) => randomBytes(count));
    await expectRefusal("TOKEN_UNKNOWN", /No such/, () => send(token, { csr: good }));
  });

  test("was used, with another CSR; with the same one the answer is given again", async () => {
    const token = await server.token("acme");
    const { csr } = await freshRequest();
    const first = await send(token, { csr });
    expect(first.status).toBe(201);
    await expectRefusal("TOKEN_USED", /another CSR/, () => send(token, { csr: good }));
    const before = snapshot(server.home);
    const again = await send(token, { csr });
    expect(again.json).toEqual(first.json);
    expect(snapshot(server.home)).toEqual(before);
  });

  test("has expired", async () => {
    const token = await server.token("acme", "--ttl", "1s");
    await eventually(() =>
      expectRefusal("TOKEN_EXPIRED", /expired/, () =>
        send(token, { csr: "not a CSR, so that it stays unused" }),
      ),
    );
  });

  test("was revoked", async () => {
    const made = await server.admin("token", "create", "acme");
    await server.admin("token", "revoke", String(made["id"]));
    await expectRefusal("TOKEN_REVOKED", /revoked/, () => send(String(made["token"]), { csr: good }));
  });

  test("is of an account that is suspended", async () => {
    const token = await server.token("sleeper");
    await server.admin("account", "suspend", "sleeper");
    await expectRefusal("ACCOUNT_SUSPENDED", /suspended/, () => send(token, { csr: good }));
    await server.admin("account", "resume", "sleeper");
    expect((await send(token, { csr: good })).status).toBe(201);
  });
});

describe("the body", () => {
  test.each<[string, string | Uint8Array, Record<string, string>, IssuingCode, RegExp]>([
    ["is not JSON", "{csr", {}, "BODY_MALFORMED", /not JSON/],
    ["is empty", "", {}, "BODY_MALFORMED", /not JSON/],
    ["is not UTF-8", Buffer.from('{"csr":"\xff"}', "latin1"), {}, "BODY_MALFORMED", /not JSON/],
    ["is a list", "[]", {}, "BODY_MALFORMED", /expected object/],
    ["lacks the csr", "{}", {}, "BODY_MALFORMED", /csr/],
    ["has a csr that is no text", '{"csr":1}', {}, "BODY_MALFORMED", /csr/],
    ["has a key that nobody knows", '{"csr":"","ca":true}', {}, "BODY_MALFORMED", /ca/],
    [
      "is of another type",
      "csr=x",
      { "Content-Type": "text/plain" },
      "BODY_MALFORMED",
      /application\/pkcs10/,
    ],
    ["is compressed", "x", { "Content-Encoding": "gzip" }, "BODY_MALFORMED", /not what this route takes/],
    ["is over 64 KiB", JSON.stringify({ csr: "x".repeat(65_536) }), {}, "BODY_TOO_LARGE", /64 KiB/],
  ])("%s", async (_name, body, headers, code, message) => {
    await expectRefusal(code, message, () => sendRaw(body, headers));
  });

  test("is over 64 KiB and does not say how long it is", async () => {
    const chunked = { "Transfer-Encoding": "chunked" };
    await expectRefusal("BODY_TOO_LARGE", /64 KiB/, () =>
      sendRaw(`{"csr":"${"x".repeat(70_000)}"}`, chunked),
    );
  });
});

describe("the CSR", () => {
  const block = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
  test.each<[string, () => string, IssuingCode]>([
    ["is neither PEM nor DER", () => "hello", "CSR_MALFORMED"],
    ["is PEM around nonsense", () => block, "CSR_MALFORMED"],
    ["is a certificate", () => readFileSync(server.root, "latin1"), "CSR_MALFORMED"],
    ["has text after it", () => `${good}trailing`, "CSR_MALFORMED"],
    ["comes twice", () => good + good, "CSR_MALFORMED"],
    ["has bytes left over", () => derOf(good, (der) => Buffer.concat([der, Buffer.of(0)])), "CSR_MALFORMED"],
    ["has a bad signature", () => derOf(good, flipLastBit), "CSR_SIGNATURE_INVALID"],
  ])("%s", async (_name, csr, code) => {
    await expectRefusal(code, /./, () => send(open, { csr: csr() }));
  });

  test.each<[string, string[], IssuingCode, RegExp]>([
    ["RSA of 1024 bits", ["rsa:1024"], "KEY_WEAK", /2048 bits; this one has 1024/],
    ["an exponent of 3", ["rsa", "-pkeyopt", "rsa_keygen_pubexp:3"], "KEY_WEAK", /65537/],
    ["P-521", ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "KEY_UNSUPPORTED", /P-256 or P-384/],
    ["secp256k1", ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "KEY_UNSUPPORTED", /P-256 or P-384/],
    ["Ed448", ["ed448"], "KEY_UNSUPPORTED", /not signed here/],
  ])("is for a key of %s", async (_name, newkey, code, message) => {
    const csr = await runOk("openssl", [
      "req",
      "-new",
      "-newkey",
      ...newkey,
      "-nodes",
      "-subj",
      "/",
      "-keyout",
      "/dev/null",
    ]);
    await expectRefusal(code, message, () => send(open, { csr }));
  });

  test("is signed with SHA-1", async () => {
    const csr = await runOk("openssl", [
      "req",
      "-new",
      "-sha1",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      "/",
      "-keyout",
      "/dev/null",
    ]);
    await expectRefusal("CSR_SIGNATURE_INVALID", /SHA-256/, () => send(open, { csr }));
  });

  test("is for another account's key", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    expect((await send(await server.token("owner"), { csr: (await freshRequest(pair)).csr })).status).toBe(
      201,
    );
    const { csr } = await freshRequest(pair);
    await expectRefusal("KEY_IN_USE", /somebody else/, () => send(open, { csr }));
  });
});

test("a key that was compromised is not signed again, for anybody", async () => {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const first = await send(await server.token("acme"), { csr: (await freshRequest(pair)).csr });
  await server.admin("revoke", String(first.json["fingerprint"]), "--reason", "keyCompromise");
  const { csr } = await freshRequest(pair);
  await expectRefusal("KEY_BLOCKED", /Make a new one/, () => send(open, { csr }));

  const replaced = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const second = await send(await server.token("acme"), { csr: (await freshRequest(replaced)).csr });
  await server.admin("revoke", String(second.json["fingerprint"]), "--reason", "superseded");
  const again = await send(await server.token("acme"), { csr: (await freshRequest(replaced)).csr });
  expect(again.status).toBe(201);
});

describe("what is asked for", () => {
  const soon = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
  test.each<[string, () => Record<string, unknown>, IssuingCode, RegExp]>([
    ["an unknown profile", () => ({ profile: "root" }), "PROFILE_UNKNOWN", /not for that profile/],
    ["an end in the past", () => ({ notAfter: soon(-10) }), "VALIDITY_INVALID", /past/],
    [
      "an end beyond the limit",
      () => ({ notAfter: soon(91 * 86_400) }),
      "VALIDITY_INVALID",
      /beyond the limit, 20/,
    ],
    ["an end that is no time", () => ({ notAfter: "tomorrow" }), "VALIDITY_INVALID", /RFC 3339/],
  ])("%s", async (_name, extra, code, message) => {
    await expectRefusal(code, message, () => send(open, { csr: good, ...extra() }));
  });
});

describe("the route", () => {
  test.each<[string, string, IssuingCode]>([
    ["GET", "/nothing", "NOT_FOUND"],
    ["GET", "/v1/accounts", "NOT_FOUND"],
    ["GET", "/%zz", "NOT_FOUND"],
    ["GET", "/V1/certificates", "NOT_FOUND"],
    ["GET", "/v1/certificates", "METHOD_NOT_ALLOWED"],
    ["DELETE", "/roots.pem", "METHOD_NOT_ALLOWED"],
    ["POST", "/health", "METHOD_NOT_ALLOWED"],
  ])("%s %s", async (method, path, code) => {
    await expectRefusal(code, /./, () =>
      call(server.ca + path, { method, tls: { ca: readFileSync(server.root) } }),
    );
  });
});

test("after all of that, the token still enrols", async () => {
  const { fingerprint } = await enrolled(server, open);
  expect(await server.admin("show", fingerprint)).toMatchObject({ account: "acme", status: "active" });
});

function derOf(pem: string, change: (der: Buffer) => Buffer): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
  return change(der).toString("base64");
}

function flipLastBit(der: Buffer): Buffer {
  const changed = Buffer.from(der);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  return changed;
}
