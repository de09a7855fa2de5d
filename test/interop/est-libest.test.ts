import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "../../src/x509/library.ts";
import { type TestCredential, call } from "../support/client.ts";
import {
  type LastLineEnd,
  type LibestAnswer,
  exchange,
  libestCertificates,
  libestGet,
  libestPost,
  libestReads,
} from "../support/libest.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// libest's requests, octet for octet (see ../support/libest.ts for where they are from), and its way to read the answers.

const server = sharedServer({ serve: ["--approval"] });
let tokens: string[];
beforeAll(async () => {
  tokens = await makeTokens(server.home, "acme", 8);
});

const url = (operation: string): string => `${server.ca}/.well-known/est/${operation}`;

async function get(operation: string, lastLineEnd?: LastLineEnd): Promise<LibestAnswer> {
  const [to, tls] = [url(operation), { ca: readFileSync(server.root) }];
  return libestReads(await exchange(libestGet(to), to, tls, lastLineEnd));
}

interface Sending {
  readonly user?: { readonly name: string; readonly password: string };
  readonly credential?: TestCredential;
  readonly lastLineEnd?: LastLineEnd;
}

async function post(
  operation: string,
  csr: string,
  { user, credential, lastLineEnd }: Sending = {},
): Promise<LibestAnswer> {
  const to = url(operation);
  const tls = credential ?? { ca: readFileSync(server.root) };
  return libestReads(await exchange(libestPost(to, csr, user), to, tls, lastLineEnd));
}

/** A CSR as its `-e --common-name` makes one: the challenge password is the TLS session's "tls-unique" (RFC 7030 §3.5). */
async function freshCsr(): Promise<{ key: string; csr: string }> {
  const pair = await makeKeyPair("ec-p256");
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=acme",
    keys: toCryptoKeys(pair, "ec-p256"),
    signingAlgorithm: signingAlgorithm("ec-p256"),
    attributes: [new x509.ChallengePasswordAttribute("bS3JkVVD7Ft8+S1Q")],
  });
  return {
    key: pair.privateKey.export({ format: "pem", type: "pkcs8" }),
    csr: `${csr.toString("pem")}\n`,
  };
}

const certsOnly = "application/pkcs7-mime; smime-type=certs-only";
const lastLineEnds = ["in the same record", "in a record of its own", "after the answer has begun"] as const;

describe.each(lastLineEnds)("with its last line end %s, libest", (lastLineEnd) => {
  test("has the CAs' certificates, with and without a label", async () => {
    const expected = ["root.crt", "issuer.crt"].map((name) => readFileSync(join(server.home, "certs", name)));
    for (const operation of ["cacerts", "client/cacerts"]) {
      const answer = await get(operation, lastLineEnd);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("Content-Type")).toBe(certsOnly);
      const found = (await libestCertificates(answer)).map((pem) => new X509Certificate(pem).fingerprint256);
      expect(found.sort()).toEqual(expected.map((pem) => new X509Certificate(pem).fingerprint256).sort());
    }
  });

  test("has what a CSR should have", async () => {
    const answer = await get("csrattrs", lastLineEnd);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Content-Type")).toBe("application/csrattrs");
    const asn1 = await runOk("sh", ["-c", "openssl base64 -d | openssl asn1parse -inform DER"], {
      input: answer.body,
    });
    expect(asn1).toMatch(/OBJECT +:id-ecPublicKey[^]*OBJECT +:prime256v1/);
  });

  test("enrols: without credentials first, then as it is told to; and re-enrols", async () => {
    const { key, csr } = await freshCsr();
    const challenge = await post("simpleenroll", csr, { lastLineEnd });
    expect(challenge.status).toBe(401);
    expect(challenge.headers.get("WWW-Authenticate")).toMatch(/^Basic realm="[^"]+"$/);

    const user = { name: "estuser", password: tokens.pop() ?? "" };
    const own = await credentialIn(await post("simpleenroll", csr, { user, lastLineEnd }), key);
    expect(await whoami(own)).toBe("acme");

    const again = await post("simplereenroll", await csrOf(own), { credential: own, lastLineEnd });
    const renewed = await credentialIn(again, key);
    expect(renewed.cert).not.toBe(own.cert);
    expect(await whoami(renewed)).toBe("acme");
  });
});

test("it is told when to come again while an admin has not decided", async () => {
  const { csr } = await freshCsr();
  const answer = await post("simpleenroll", csr, { user: { name: "estuser", password: "" } });
  expect(answer.status).toBe(202);
  expect(answer.headers.get("Retry-After")).toMatch(/^\d{1,10}$/);
});

test("it reads base64 of no longer lines, and with a line end at its end", async () => {
  const { body } = await get("cacerts");
  expect(body).toMatch(/^([A-Za-z0-9+/=]{1,76}\n)+$/);
  const oneLine = { status: 200, headers: new Map(), body: body.replaceAll("\n", "") };
  await expect(libestCertificates(oneLine)).rejects.toThrow();
});

/** Asserts that an answer has one certificate, of this key. */
async function credentialIn(answer: LibestAnswer, key: string): Promise<TestCredential> {
  expect(answer.status, answer.body).toBe(200);
  expect(answer.headers.get("Content-Type")).toBe(certsOnly);
  const [cert = "", ...more] = await libestCertificates(answer);
  expect(more).toEqual([]);
  return { key, cert, ca: readFileSync(server.root), fingerprint: "", serial: "" };
}

/** A CSR as its re-enrolment makes one: the certificate's subject, its key, and all of its extensions. */
function csrOf({ key, cert }: TestCredential): Promise<string> {
  const [keyFile, certFile] = [server.workspace.file("libest.key"), server.workspace.file("libest.crt")];
  writeFileSync(keyFile, key, { mode: 0o600 });
  writeFileSync(certFile, cert);
  const copied = ["-x509toreq", "-copy_extensions", "copyall", "-in", certFile, "-signkey", keyFile];
  return runOk("openssl", ["x509", ...copied]);
}

async function whoami({ key, cert, ca }: TestCredential): Promise<unknown> {
  const { json } = await call(`${server.enforce}/whoami`, { tls: { key, cert, ca } });
  return json["account"];
}
