import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import forge from "node-forge";
import { describe, expect, test } from "vitest";
import { call, freshRequest, requestCertificate } from "../support/client.ts";
import { extensionsIn } from "../support/openssl-text.ts";
import { countersign, run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer({ init: ["--trust-domain", "example.org"] });

interface Made {
  readonly key: string;
  readonly csr: string;
}

async function byOpenssl(...newkey: string[]): Promise<Made> {
  const key = server.workspace.file("made.key");
  const args = ["req", "-new", "-newkey", ...newkey, "-nodes", "-subj", "/CN=x", "-keyout", key];
  const csr = await runOk("openssl", args);
  return { key: readFileSync(key, "latin1"), csr };
}

function byForge(): Made {
  const pair = forge.pki.rsa.generateKeyPair(2048);
  const request = forge.pki.createCertificationRequest();
  request.publicKey = pair.publicKey;
  request.setSubject([{ name: "commonName", value: "x" }]);
  request.sign(pair.privateKey, forge.md.sha256.create());
  return {
    key: forge.pki.privateKeyToPem(pair.privateKey),
    csr: forge.pki.certificationRequestToPem(request),
  };
}

describe("a key made elsewhere is signed, and calls", () => {
  test.each<[string, () => Made | Promise<Made>]>([
    ["OpenSSL, P-256", () => byOpenssl("ec", "-pkeyopt", "ec_paramgen_curve:P-256")],
    ["OpenSSL, P-384", () => byOpenssl("ec", "-pkeyopt", "ec_paramgen_curve:P-384")],
    ["OpenSSL, Ed25519", () => byOpenssl("ed25519")],
    ["OpenSSL, RSA 2048", () => byOpenssl("rsa:2048")],
    ["OpenSSL, RSA 3072", () => byOpenssl("rsa:3072")],
    ["OpenSSL, RSA 4096", () => byOpenssl("rsa:4096")],
    ["node-forge, RSA 2048", byForge],
    ["Node, P-256", () => freshRequest()],
    ["Node, Ed25519", () => freshRequest(generateKeyPairSync("ed25519"))],
    ["Node, ML-DSA-65", () => freshRequest(generateKeyPairSync("ml-dsa-65"))],
  ])("%s", async (_name, make) => {
    const { key, csr } = await make();
    const answer = await requestCertificate(server, await server.token("maker"), { csr });
    expect(answer.status).toBe(201);
    const tls = { key, cert: String(answer.json["chain"]), ca: readFileSync(server.root) };
    const who = await call(`${server.enforce}/whoami`, { tls });
    expect(who.status).toBe(200);
    expect(who.json).toMatchObject({ account: "maker", fingerprint: answer.json["fingerprint"] });
  });
});

test("a CSR that asks for more gets its key certified, and nothing else", async () => {
  const config = server.workspace.file("greedy.cnf");
  const asked = [
    "basicConstraints = critical, CA:TRUE",
    "keyUsage = critical, keyCertSign, cRLSign",
    "extendedKeyUsage = serverAuth, codeSigning",
    "subjectAltName = DNS:admin.example.org, IP:10.0.0.1, URI:spiffe://example.org/account/root",
    "1.2.3.4 = ASN1:UTF8String:hello",
  ];
  const name = ["[ dn ]", "CN = root", "O = Somebody Else"];
  const head = ["[ req ]", "prompt = no", "distinguished_name = dn", "req_extensions = ext"];
  writeFileSync(config, [...head, ...name, "[ ext ]", ...asked, ""].join("\n"));
  const { csr } = await byOpenssl(
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-config",
    config,
    "-subj",
    "/CN=root",
  );
  expect(await runOk("openssl", ["req", "-noout", "-text"], { input: csr })).toContain("CA:TRUE");

  const answer = await requestCertificate(server, await server.token("greedy"), { csr });
  expect(answer.status).toBe(201);
  const text = await runOk("openssl", ["x509", "-noout", "-text"], {
    input: String(answer.json["certificate"]),
  });
  expect(text).toContain("Subject: CN = greedy\n");
  expect(extensionsIn(text)).toEqual({
    "X509v3 Basic Constraints: critical": "CA:FALSE",
    "X509v3 Key Usage: critical": "Digital Signature",
    "X509v3 Extended Key Usage:": "TLS Web Client Authentication",
    "X509v3 Subject Alternative Name:": "URI:spiffe://example.org/account/greedy",
    "X509v3 Subject Key Identifier:": expect.stringMatching(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/) as string,
    "X509v3 Authority Key Identifier:": expect.stringMatching(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/) as string,
    "X509v3 CRL Distribution Points:": expect.stringContaining(`URI:${server.public}/crl/`) as string,
    "Authority Information Access:": expect.stringContaining(`OCSP - URI:${server.public}/ocsp`) as string,
  });
});

test("openssl verify accepts it, strictly, and for clients only", async () => {
  const { csr } = await freshRequest();
  const answer = await requestCertificate(server, await server.token("strict"), { csr });
  const chain = server.workspace.file("chain.pem");
  writeFileSync(chain, String(answer.json["chain"]));
  const args = ["verify", "-x509_strict", "-CAfile", server.root, "-untrusted", chain];
  expect(await runOk("openssl", [...args, "-purpose", "sslclient", chain])).toBe(`${chain}: OK\n`);
  expect((await run("openssl", [...args, "-purpose", "sslserver", chain])).code).not.toBe(0);

  const { notBefore, notAfter } = answer.json;
  const life = Date.parse(String(notAfter)) - Date.parse(String(notBefore));
  expect(life).toBe((24 * 3600 + 60) * 1000);
});

test("an admin signs a CSR file without a token, to a file or to standard output", async () => {
  const { csr } = await freshRequest();
  const [input, output] = [server.workspace.file("in.csr"), server.workspace.file("out.crt")];
  writeFileSync(input, csr);
  await server.admin("account", "create", "by-hand");
  const home = ["--home", server.home];
  const toFile = await countersign(["sign", input, "--account", "by-hand", "--out", output, ...home]);
  expect(toFile).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(output, "latin1").match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  const toStdout = await countersign(["sign", "-", "--account", "by-hand", ...home], { input: csr });
  expect(toStdout.stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  const bad = await countersign(["sign", "-", "--account", "by-hand", ...home], { input: `${csr}x` });
  expect(bad).toMatchObject({ code: 1, stdout: "" });
  expect(bad.stderr).toContain("CSR_MALFORMED");
});
