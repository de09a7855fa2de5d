import { createHash, createPublicKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import forge from "node-forge";
import { afterAll, describe, expect, it } from "vitest";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import {
  boolean,
  bitString,
  context,
  element,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { extension } from "../../src/x509/extensions.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "../../src/x509/library.ts";
import { fromPem, toPem } from "../../src/x509/pem.ts";
import { makeRequest } from "../../src/x509/request-writer.ts";
import {
  type CsrParts,
  attributes,
  buildCsr,
  commonName,
  extensionRequest,
  rdn,
  readRequest,
} from "../support/fixtures-csr.ts";
import { runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const derOf = (pem: string): Buffer =>
  fromPem(pem, ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]) ?? Buffer.alloc(0);

/** Asserts that PEM and DER yield the key. */
function expectKey(pem: string, spki: Buffer, keyType: KeyType): void {
  const der = derOf(pem);
  const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const expected = { hash: sha256(der), spki: spki.toString("hex"), spkiHash: sha256(spki), keyType };
  for (const bytes of [Buffer.from(pem), der]) {
    const { spki: read, hash, spkiHash, keyType: type } = readRequest(bytes);
    const found = { hash, spki: Buffer.from(read).toString("hex"), spkiHash, keyType: type };
    expect(found).toEqual(expected);
  }
}

describe("a CSR made by openssl", () => {
  const config = `[req]\ndistinguished_name = dn\n[dn]\n`;
  const makers: readonly (readonly [KeyType, string, readonly string[]])[] = [
    ["ec-p256", "sha256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["ec-p256", "sha512", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["ec-p384", "sha384", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["ed25519", "sha256", ["-newkey", "ed25519"]],
    ["rsa-2048", "sha256", ["-newkey", "rsa:2048"]],
    ["rsa-3072", "sha384", ["-newkey", "rsa:3072"]],
    ["rsa-4096", "sha512", ["-newkey", "rsa:4096"]],
  ];

  it.each(makers)("%s with %s", async (keyType, digest, options) => {
    const name = `${keyType}-${digest}`;
    const [key, csr, settings] = ["key", "csr", "cnf"].map((ending) =>
      workspace.file(`${name}.${ending}`),
    ) as [string, string, string];
    await writeFile(settings, config);
    const extra = [
      ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign"],
      ...["-addext", "subjectAltName=DNS:admin.test,IP:127.0.0.1,URI:spiffe://example.test/account/admin"],
    ];
    const names = ["-subj", "/C=DE/O=Zoë + Söhne/CN=admin", "-utf8"];
    await runOk("openssl", [
      "req",
      "-new",
      "-nodes",
      `-${digest}`,
      "-config",
      settings,
      ...options,
      ...names,
      ...extra,
      "-keyout",
      key,
      "-out",
      csr,
    ]);
    const spki = createPublicKey(await readFile(key)).export({ format: "der", type: "spki" });
    expectKey(await readFile(csr, "utf8"), spki, keyType);
  });

  it("with the old label and attributes", async () => {
    const settings = workspace.file("old.cnf");
    await writeFile(
      settings,
      "[req]\nprompt = no\ndistinguished_name = dn\nattributes = at\n[dn]\nCN = x\n[at]\nchallengePassword = secret\nunstructuredName = y\n",
    );
    const key = workspace.file("old.key");
    const csr = await runOk("openssl", [
      "req",
      "-new",
      "-newhdr",
      "-nodes",
      "-newkey",
      "ed25519",
      "-config",
      settings,
      "-keyout",
      key,
    ]);
    expect(csr).toContain("BEGIN NEW CERTIFICATE REQUEST");
    const spki = createPublicKey(await readFile(key)).export({ format: "der", type: "spki" });
    expectKey(csr, spki, "ed25519");
  });
});

describe("a CSR made by another library", () => {
  it("node-forge", async () => {
    const pair = await makeKeyPair("rsa-2048");
    const csr = forge.pki.createCertificationRequest();
    csr.publicKey = forge.pki.publicKeyFromPem(pair.publicKey.export({ format: "pem", type: "spki" }));
    csr.setSubject([{ name: "commonName", value: "forge" }]);
    csr.setAttributes([{ name: "challengePassword", value: "secret" }]);
    csr.sign(
      forge.pki.privateKeyFromPem(pair.privateKey.export({ format: "pem", type: "pkcs8" })),
      forge.md.sha256.create(),
    );
    const spki = pair.publicKey.export({ format: "der", type: "spki" });
    expectKey(forge.pki.certificationRequestToPem(csr), spki, "rsa-2048");
  });

  it.each(["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const)("@peculiar/x509: %s", async (keyType) => {
    const pair = await makeKeyPair(keyType);
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "CN=peculiar, O=Odd \\, Inc.",
      keys: toCryptoKeys(pair, keyType),
      signingAlgorithm: signingAlgorithm(keyType),
      extensions: [new x509.BasicConstraintsExtension(true, 3, true)],
    });
    expectKey(csr.toString("pem"), pair.publicKey.export({ format: "der", type: "spki" }), keyType);
  });

  it.each(keyTypes)("our own client: %s", async (keyType) => {
    const pair = await makeKeyPair(keyType);
    const pem = await makeRequest(pair, keyType);
    expectKey(pem, pair.publicKey.export({ format: "der", type: "spki" }), keyType);
  });
});

describe("what a CSR says beyond its key is read for its form", async () => {
  const pair = await makeKeyPair("ec-p256");
  const spki = pair.publicKey.export({ format: "der", type: "spki" });
  const dangerous = extensionRequest(
    extension("2.5.29.19", true, sequence(boolean(true), integer(9))),
    extension("2.5.29.15", true, bitString(Buffer.of(0x06), 1)),
    extension("2.5.29.37", false, sequence(oid("2.5.29.37.0"))),
    extension("2.5.29.17", false, sequence(context(2, false, Buffer.from("*.test")))),
    extension("1.2.3.4.5", true, nothing()),
  );
  const cases: readonly (readonly [string, Partial<CsrParts>])[] = [
    ["an empty subject", { subject: sequence() }],
    ["no attributes field, as old tools have it", { attributes: undefined }],
    ["a request to be a CA, with other names", { attributes: attributes(dangerous) }],
    ["the same request twice", { attributes: attributes(dangerous, dangerous) }],
    [
      "an attribute nobody knows",
      { attributes: attributes(sequence(oid("1.2.3"), set(octetString(Buffer.alloc(99))))) },
    ],
    [
      "two names in one RDN",
      {
        subject: sequence(
          set(sequence(oid("2.5.4.3"), utf8String("a")), sequence(oid("2.5.4.3"), utf8String("b"))),
        ),
      },
    ],
    ["a name twice", { subject: sequence(commonName("a"), commonName("b")) }],
    ["a name with a NUL", { subject: sequence(commonName("admin\0.example")) }],
    ["a name with separators", { subject: sequence(commonName("x/CN=admin,OU=root")) }],
    ["an empty name", { subject: sequence(commonName("")) }],
    ["a BMPString", { subject: sequence(rdn("2.5.4.3", element(0x1e, Buffer.from("0041", "hex")))) }],
    ["a long name", { subject: sequence(commonName("x".repeat(5000))) }],
  ];

  it.each(cases)("%s", (_name, parts) => {
    const csr = buildCsr({ privateKey: pair.privateKey, spki, ...parts });
    expectKey(toPem("CERTIFICATE REQUEST", csr), spki, "ec-p256");
    // Neither subject nor extensions are handed on in a form that could be copied: the attributes are as they came.
    const known = ["attributes", "hash", "key", "keyType", "proof", "spki", "spkiHash"];
    expect(Object.keys(readRequest(csr)).sort()).toEqual(known);
  });

  it("reads the key that openssl reads", async () => {
    const csr = buildCsr({ privateKey: pair.privateKey, spki, attributes: attributes(dangerous) });
    const pem = await runOk("openssl", ["req", "-inform", "DER", "-noout", "-pubkey"], { input: csr });
    const read = createPublicKey({ key: Buffer.from(readRequest(csr).spki), format: "der", type: "spki" });
    expect(read.equals(createPublicKey(pem))).toBe(true);
  });
});
