import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type TestAnswer, call, freshRequest, keepAlive, requestCertificate } from "../support/client.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
const post = (path: string, body: string, type = "application/json"): Promise<TestAnswer> =>
  call(`${server.ca}/v1/key-compromise${path}`, {
    method: "POST",
    headers: { "Content-Type": type },
    body,
    tls: { ca: readFileSync(server.root) },
  });
const nonce = async (): Promise<string> => String((await post("", "")).json["nonce"]);
const prove = (proof: unknown): Promise<TestAnswer> => post("/proof", JSON.stringify(proof));
const proofWith = (key: string, given: string) => ({
  nonce: given,
  publicKey: createPublicKey(key).export({ format: "pem", type: "spki" }),
  signature: sign("sha256", Buffer.from(`countersign key compromise\n${given}`), key).toString("base64"),
});

/** A key of OpenSSL's making, in a file, with a certificate. */
async function leaked(name: string, ...how: string[]) {
  const [key, csr] = [server.workspace.file(`${name}.key`), server.workspace.file(`${name}.csr`)];
  await runOk("openssl", ["genpkey", ...how, "-out", key]);
  await runOk("openssl", ["req", "-new", "-key", key, "-subj", "/", "-out", csr]);
  const token = await server.token(name);
  const { json } = await requestCertificate(server, token, { csr: readFileSync(csr, "utf8") });
  const credential = {
    ...{ key: readFileSync(key, "utf8"), cert: String(json["chain"]), ca: readFileSync(server.root) },
    ...{ fingerprint: String(json["fingerprint"]), serial: String(json["serial"]) },
  };
  return { key, csr, credential };
}

const dgst = (key: string, message: string) => ["dgst", "-sha256", "-sign", key, message];
const rawin = (key: string, message: string) => ["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message];

describe("whoever finds a key proves it with openssl and curl", () => {
  test.each([
    ["ec", dgst, ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["ec384", dgst, ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["rsa", dgst, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]],
    ["ed25519", rawin, ["-algorithm", "ED25519"]],
  ] as const)("%s", async (name, signing, how) => {
    const { key, csr, credential } = await leaked(name, ...how);
    const agent = keepAlive(credential);
    const whoami = () => call(`${server.enforce}/whoami`, { agent });
    expect((await whoami()).status).toBe(200);

    const url = `${server.ca}/v1/key-compromise`;
    const curl = ["-sS", "--fail-with-body", "--cacert", server.root];
    const given = JSON.parse(await runOk("curl", [...curl, "-X", "POST", url])) as Record<string, string>;
    expect(Date.parse(given["expiresAt"] ?? "") - Date.now()).toBeLessThanOrEqual(300_000);
    const [message, signed] = [server.workspace.file("message"), server.workspace.file("message.sig")];
    writeFileSync(message, `countersign key compromise\n${String(given["nonce"])}`);
    const out = signing === dgst ? ["-out", signed] : [];
    const [command = "", ...rest] = signing(key, message);
    await runOk("openssl", [command, ...out, ...rest, ...(signing === dgst ? [] : ["-out", signed])]);
    const publicKey = await runOk("openssl", ["pkey", "-in", key, "-pubout"]);
    const body = { nonce: given["nonce"], publicKey, signature: readFileSync(signed).toString("base64") };
    const json = ["-H", "Content-Type: application/json", "--data-binary", "@-"];
    const sent = () => runOk("curl", [...curl, ...json, `${url}/proof`], { input: JSON.stringify(body) });
    expect(JSON.parse(await sent())).toEqual({
      revoked: 1,
      spkiHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });

    expect(await whoami()).toMatchObject({ status: 403, reusedSocket: true, json: { code: "CERT_REVOKED" } });
    agent.destroy();
    const { fingerprint } = credential;
    expect(await server.admin("show", fingerprint)).toMatchObject({
      status: "revoked",
      reason: "keyCompromise",
    });
    const anew = await requestCertificate(server, await server.token(name), {
      csr: readFileSync(csr, "utf8"),
    });
    expect(anew).toMatchObject({ status: 403, json: { code: "KEY_BLOCKED" } });
    await expect(sent()).rejects.toThrow("exited 22");
  });
});

describe("a proof is refused", () => {
  test("when it is wrong, replayed, or over a nonce that was not given here; each says what", async () => {
    const { credential } = await leaked("watched", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256");
    const stranger = (await freshRequest()).key;
    const given = await nonce();
    const right = proofWith(credential.key, given);
    const { signature } = proofWith(stranger, given);
    const codeOf = async (proof: unknown) => {
      const { status, json } = await prove(proof);
      return [status, json["code"]];
    };
    expect(await codeOf({ ...right, signature })).toEqual([403, "PROOF_INVALID"]);
    expect(await codeOf({ ...right, nonce: await nonce() })).toEqual([403, "PROOF_INVALID"]);
    expect(await codeOf({ ...right, nonce: "A".repeat(76) })).toEqual([403, "NONCE_UNKNOWN"]);
    expect(await codeOf(proofWith(stranger, given))).toEqual([404, "NOT_FOUND"]);
    expect((await server.admin("show", credential.fingerprint))["status"]).toBe("active");

    expect(await codeOf(right)).toEqual([200, undefined]);
    expect(await codeOf(right)).toEqual([403, "NONCE_USED"]);
    expect(await codeOf(proofWith(credential.key, await nonce()))).toEqual([409, "STATE_UNCHANGED"]);
    expect(server.log()).toContain("a key was blocked: it has leaked");
    expect(server.log()).not.toContain(right.signature);
  });

  test.each([
    ["no JSON", "nonce=1", "application/json", 400, "BODY_MALFORMED"],
    ["another type", "{}", "application/x-www-form-urlencoded", 400, "BODY_MALFORMED"],
    ["nothing", "", "application/json", 400, "BODY_MALFORMED"],
    ["an empty object", "{}", "application/json", 400, "BODY_MALFORMED"],
    [
      "a number for a nonce",
      '{"nonce":1,"publicKey":"","signature":""}',
      "application/json",
      400,
      "BODY_MALFORMED",
    ],
    [
      "a signature that is no base64",
      '{"nonce":"","publicKey":"","signature":"-"}',
      "application/json",
      400,
      "BODY_MALFORMED",
    ],
    [
      "an empty signature",
      '{"nonce":"","publicKey":"","signature":""}',
      "application/json",
      400,
      "BODY_MALFORMED",
    ],
    [
      "more than it takes",
      '{"nonce":"","publicKey":"","signature":"AA==","x":1}',
      "application/json",
      400,
      "BODY_MALFORMED",
    ],
    ["too much", `"${"a".repeat(70_000)}"`, "application/json", 413, "BODY_TOO_LARGE"],
  ])("with %s", async (_name, body, type, status, code) => {
    expect(await post("/proof", body, type)).toMatchObject({ status, json: { code } });
  });

  test("with a key that is none, whose nonce stays good", async () => {
    const given = await nonce();
    const proof = proofWith((await freshRequest()).key, given);
    const answer = await prove({ ...proof, publicKey: "AAAA" });
    expect(answer).toMatchObject({ status: 400, json: { code: "BODY_MALFORMED" } });
    expect(answer.json["detail"]).toBe(
      "publicKey is not a SubjectPublicKeyInfo in PEM, or in base64 of DER.",
    );
    expect((await prove(proof)).json["code"]).toBe("NOT_FOUND");
  });

  test.each(["", "/proof"])("by another method, on %j", async (path) => {
    const answer = await call(`${server.ca}/v1/key-compromise${path}`, {
      tls: { ca: readFileSync(server.root) },
    });
    expect(answer).toMatchObject({ status: 405, json: { code: "METHOD_NOT_ALLOWED" } });
    expect(answer.headers["allow"]).toBe("POST");
  });

  test("when there are too many, with when to come again", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ format: "pem", type: "pkcs8" });
    const given = await nonce();
    const answers = await Promise.all(Array.from({ length: 120 }, () => prove(proofWith(key, given))));
    const late = answers.find(({ status }) => status === 429);
    expect(late?.json["code"]).toBe("RATE_LIMITED");
    expect(late?.headers["retry-after"]).toBe("1");
  });
});

test("a nonce costs nothing, and says nothing", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => post("", "whatever", "text/plain")));
  for (const { status, json, headers } of answers) {
    expect(status).toBe(201);
    expect(Object.keys(json)).toEqual(["nonce", "expiresAt"]);
    expect(headers["cache-control"]).toBe("no-store");
  }
  expect(new Set(answers.map(({ json }) => json["nonce"])).size).toBe(20);
});
