import { createPublicKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "../../src/x509/library.ts";
import { readRequest } from "../support/fixtures-csr.ts";
import { requireCerttool } from "../support/judges.ts";
import { requireOpensslPq } from "../support/openssl-pq.ts";
import { runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

/** Asserts that it is taken, and that its key is the private key's. */
async function expectTaken(csr: Buffer, keyType: KeyType, keyFile: string): Promise<void> {
  const request = readRequest(csr);
  expect(request.keyType).toBe(keyType);
  const spki = createPublicKey(await readFile(keyFile)).export({ format: "der", type: "spki" });
  expect(Buffer.from(request.spki).equals(spki)).toBe(true);
}

describe("a CSR is taken that is made by", () => {
  it.for<readonly [KeyType, string, readonly string[]]>([
    ["rsa-2048", "SHA256", ["--key-type=rsa", "--bits=2048"]],
    ["rsa-3072", "SHA384", ["--key-type=rsa", "--bits=3072"]],
    ["rsa-4096", "SHA512", ["--key-type=rsa", "--bits=4096"]],
    ["ec-p256", "SHA256", ["--key-type=ecdsa", "--curve=secp256r1"]],
    ["ec-p256", "SHA512", ["--key-type=ecdsa", "--curve=secp256r1"]],
    ["ec-p384", "SHA384", ["--key-type=ecdsa", "--curve=secp384r1"]],
    ["ed25519", "SHA512", ["--key-type=ed25519"]],
  ])("certtool: %s with %s", async ([keyType, hash, options], context) => {
    requireCerttool(context);
    const [key, settings] = [workspace.file(`${keyType}.key`), workspace.file("template")];
    await runOk("certtool", ["--generate-privkey", ...options, "--outfile", key]);
    const wanted = [
      ...['organization = "Zoë & Söhne"', "country = DE", "cn = admin", "challenge_password = secret"],
      ...[
        "dns_name = a.test",
        "ip_address = 2001:db8::1",
        "uri = spiffe://a.test/b",
        "ca",
        "cert_signing_key",
      ],
    ];
    await writeFile(settings, wanted.join("\n"));
    const made = ["--generate-request", "--load-privkey", key, "--template", settings, "--hash", hash];
    for (const form of [["--no-text"], ["--outder"]]) {
      await runOk("certtool", [...made, ...form, "--outfile", workspace.file("csr")]);
      await expectTaken(await readFile(workspace.file("csr")), keyType, key);
    }
  });

  it.for<readonly [KeyType, string]>([
    ["ml-dsa-44", "seed-priv"],
    ["ml-dsa-65", "seed-only"],
    ["ml-dsa-87", "priv-only"],
  ])("openssl: %s, its key written as %s", async ([keyType, form], context) => {
    const program = requireOpensslPq(context);
    const [key, settings] = [workspace.file(`${keyType}.key`), workspace.file("openssl.cnf")];
    await writeFile(settings, "[req]\ndistinguished_name = dn\n[dn]\n");
    const provider = ["-provparam", `ml-dsa.output_formats=${form}`];
    await runOk(program, ["genpkey", "-algorithm", keyType, ...provider, "-out", key]);
    const asked = ["-subj", "/O=Zoë/CN=admin", "-utf8", "-addext", "subjectAltName=DNS:a.test"];
    const made = ["req", "-new", "-config", settings, "-key", key, ...asked];
    for (const encoding of ["PEM", "DER"]) {
      await runOk(program, [...made, "-outform", encoding, "-out", workspace.file("csr")]);
      await expectTaken(await readFile(workspace.file("csr")), keyType, key);
    }
  });

  it.each(["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] as const)("@peculiar/x509: %s", async (keyType) => {
    const pair = await makeKeyPair(keyType);
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "CN=peculiar, O=Odd \\, Inc.",
      keys: toCryptoKeys(pair, keyType),
      signingAlgorithm: signingAlgorithm(keyType),
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "a.test" }])],
      attributes: [new x509.ChallengePasswordAttribute("secret")],
    });
    const key = workspace.file(`${keyType}-peculiar.key`);
    await writeFile(key, pair.privateKey.export({ format: "pem", type: "pkcs8" }));
    await expectTaken(Buffer.from(csr.toString("pem")), keyType, key);
  });
});
