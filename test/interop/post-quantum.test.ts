import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { type TestAnswer, type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { changeProfile, enrolledWith, reload } from "../support/rollover.ts";
import { sharedServer } from "../support/server.ts";

/** SEQUENCE { OBJECT IDENTIFIER 2.16.840.1.101.3.4.3.17, …18, …19 }, and no parameters after it (RFC 9881 §2). */
const algorithms = {
  "ml-dsa-44": "300b0609608648016503040311",
  "ml-dsa-65": "300b0609608648016503040312",
  "ml-dsa-87": "300b0609608648016503040313",
};
/** ecdsa-with-SHA256, the same. */
const ecdsa = "300a06082a8648ce3d040302";
const mlDsa = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] as const;
/** Octets of a public key (FIPS 204, table 2), and of SubjectPublicKeyInfo around it. */
const keySizes = { "ml-dsa-44": 1312, "ml-dsa-65": 1952, "ml-dsa-87": 2592 };
const AROUND_KEY = 22;

/** A CA with EC keys that gets a further issuing CA with an ML-DSA key; and one that has ML-DSA keys alone. */
const mixed = sharedServer();
const pure = sharedServer({ init: ["--key-type", "ml-dsa-65"] });
const tokens = new Map<string, string[]>();
beforeAll(async () => {
  for (const { home } of [mixed, pure]) tokens.set(home, await makeTokens(home, "acme", 12));
  await admin(mixed.home, "issuer", "create", "pq", "--key-type", "ml-dsa-65");
});

const token = ({ home }: { home: string }): string => tokens.get(home)?.pop() ?? "";
const whoami = (
  server: { enforce: string },
  { key, cert, ca }: TestCredential,
  options: ConnectionOptions = {},
): Promise<TestAnswer> => call(`${server.enforce}/whoami`, { tls: { key, cert, ca, ...options } });
const der = (pem: string): Buffer => new X509Certificate(pem).raw;

describe("the key exchange", () => {
  /** What a handshake agreed on. */
  async function agreed(url: string, options: ConnectionOptions): Promise<string> {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), ca: readFileSync(mixed.root), ...options });
    await once(socket, "secureConnect");
    const { name } = socket.getEphemeralKeyInfo() as { name?: string };
    const version = socket.getProtocol();
    socket.destroy();
    return `${String(version)} ${String(name)}`;
  }

  test.each<[string, ConnectionOptions, string]>([
    ["as Node offers it", {}, "TLSv1.3 X25519MLKEM768"],
    ["offered alone", { ecdhCurve: "X25519MLKEM768" }, "TLSv1.3 X25519MLKEM768"],
    [
      "of a client that guesses X25519 first",
      { ecdhCurve: "X25519:X25519MLKEM768" },
      "TLSv1.3 X25519MLKEM768",
    ],
    ["of a client that guesses P-256 first", { ecdhCurve: "P-256:X25519MLKEM768" }, "TLSv1.3 X25519MLKEM768"],
    ["of a client that knows X25519 alone", { ecdhCurve: "X25519" }, "TLSv1.3 X25519"],
    ["of a client that knows P-256 alone", { ecdhCurve: "P-256" }, "TLSv1.3 prime256v1"],
    ["of a client that knows P-384 alone", { ecdhCurve: "P-384" }, "TLSv1.3 secp384r1"],
    ["on TLS 1.2", { maxVersion: "TLSv1.2" }, "TLSv1.2 X25519"],
    ["on TLS 1.2 with P-256 alone", { maxVersion: "TLSv1.2", ecdhCurve: "P-256" }, "TLSv1.2 prime256v1"],
  ])("%s", async (_name, options, expected) => {
    // The issuing CA that came while the server ran has had the enforcement listener set its context anew.
    expect(await agreed(mixed.enforce, options)).toBe(expected);
    expect(await agreed(mixed.ca, options)).toBe(expected);
  });

  test("is the hybrid with a client's certificate too, and TLS 1.2 still lets one in", async () => {
    const credential = await enrolled(mixed, token(mixed));
    const hybrid = { ecdhCurve: "X25519:X25519MLKEM768" };
    expect((await whoami(mixed, credential, hybrid)).status).toBe(200);
    expect((await whoami(mixed, credential, { maxVersion: "TLSv1.2" })).status).toBe(200);
  });
});

describe.each([
  { name: "an EC issuing CA", server: mixed, issuer: "default", signature: ecdsa },
  {
    name: "an ML-DSA issuing CA below an EC root",
    server: mixed,
    issuer: "pq",
    signature: algorithms["ml-dsa-65"],
  },
  { name: "an ML-DSA root", server: pure, issuer: "default", signature: algorithms["ml-dsa-65"] },
])("a client below $name", ({ server, issuer, signature }) => {
  beforeAll(async () => {
    changeProfile(server.home, "client", { issuer });
    await reload(server);
  });

  test.each(mlDsa)("with an %s key calls, with a certificate as RFC 9881 wants it", async (keyType) => {
    const credential = await enrolledWith(server, token(server), keyType);
    const answer = await whoami(server, credential);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ account: "acme", fingerprint: credential.fingerprint });
    expect(new X509Certificate(credential.cert).publicKey.asymmetricKeyType).toBe(keyType);

    const { spki, signatureAlgorithm, extensions } = readCertificate(der(credential.cert));
    expect(spki).toHaveLength(AROUND_KEY + keySizes[keyType]);
    expect(Buffer.from(spki).toString("hex", 4, 17)).toBe(algorithms[keyType]);
    expect(Buffer.from(signatureAlgorithm).toString("hex")).toBe(signature);
    const keyUsage = extensions.find(({ id }) => id === "2.5.29.15");
    expect(keyUsage?.critical).toBe(true);
    expect(Buffer.from(keyUsage?.value ?? []).toString("hex")).toBe("03020780"); // digitalSignature alone
  });

  test("with an EC key calls too", async () => {
    const credential = await enrolledWith(server, token(server), "ec-p256");
    expect((await whoami(server, credential)).json).toMatchObject({ fingerprint: credential.fingerprint });
  });

  test("is refused once it is revoked, on an open connection and on a resumed session", async () => {
    const credential = await enrolledWith(server, token(server), "ml-dsa-65");
    const [open, resuming] = [keepAlive(credential), keepAlive(credential, { keepAlive: false })];
    const through = (agent: typeof open) => call(`${server.enforce}/whoami`, { agent });
    expect((await through(open)).status).toBe(200);
    expect(await through(resuming)).toMatchObject({ status: 200, resumedSession: false });
    expect(await through(resuming)).toMatchObject({ status: 200, resumedSession: true });
    await admin(server.home, "revoke", credential.fingerprint, "--reason", "keyCompromise");
    const code = "CERT_REVOKED";
    expect(await through(open)).toMatchObject({ status: 403, reusedSocket: true, json: { code } });
    expect(await through(resuming)).toMatchObject({ status: 403, resumedSession: true, json: { code } });
    for (const agent of [open, resuming]) agent.destroy();
  });
});

test("an ML-DSA key calls nobody on TLS 1.2, which has no way to sign with it", async () => {
  const credential = await enrolledWith(mixed, token(mixed), "ml-dsa-65");
  const answer = await whoami(mixed, credential, { maxVersion: "TLSv1.2" });
  expect(answer.json).toMatchObject({ status: 401, code: "CERT_REQUIRED" });
  expect((await whoami(mixed, credential)).status).toBe(200);
});

test("a home with ML-DSA keys has them from the root to its listener's certificate, and in its CRLs", async () => {
  const [root, issuer, leaf] = ["root", "issuer", "server"].map((name) => {
    return new X509Certificate(readFileSync(join(pure.home, "certs", `${name}.crt`)));
  }) as [X509Certificate, X509Certificate, X509Certificate];
  for (const [certificate, signer] of [
    [root, root],
    [issuer, root],
    [leaf, issuer],
  ] as const) {
    expect(signer.publicKey.asymmetricKeyType).toBe("ml-dsa-65");
    expect(certificate.checkIssued(signer) && certificate.verify(signer.publicKey)).toBe(true);
    const { signatureAlgorithm } = readCertificate(certificate.raw);
    expect(Buffer.from(signatureAlgorithm).toString("hex")).toBe(algorithms["ml-dsa-65"]);
  }
  for (const { raw } of [root, issuer]) {
    const response = await fetch(`${pure.public}/crl/${issuerIdOf(raw)}.crl`);
    expect(readCrl(Buffer.from(await response.arrayBuffer()), raw).number).toBeGreaterThan(0);
  }
});
