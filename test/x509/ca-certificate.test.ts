import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { DAY } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { makeCaCertificate } from "../../src/x509/ca-certificate.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { element, oid, sequence, set } from "../../src/x509/der-writer.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow, testSerial } from "../support/fixtures-issuer.ts";
import { run, runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

async function pemFile(name: string, ...ders: readonly Uint8Array[]): Promise<string> {
  const path = workspace.file(name);
  await writeFile(path, ders.map((der) => toPem("CERTIFICATE", der)).join(""));
  return path;
}

describe("a CA's certificate", () => {
  it("may sign certificates and CRLs, critically, and nothing else", async () => {
    const root = await makeIssuer("ec-p256");
    const keys = await makeKeyPair("ec-p256");
    const template = {
      commonName: "Test Issuing CA",
      serial: testSerial(),
      notBefore: testNow,
      notAfter: testNow + DAY,
      pathLength: 0,
      crlUrl: "http://127.0.0.1:8080/crl/root.crl",
    };
    const der = await makeCaCertificate(keys, template, { certificate: root.issuer.der, keys: root.keys });
    const text = await runOk("openssl", ["x509", "-inform", "DER", "-noout", "-text"], { input: der });
    const lines = text.replace(/\s+/g, " ");
    expect(lines).toContain("X509v3 Basic Constraints: critical CA:TRUE, pathlen:0");
    expect(lines).toContain("X509v3 Key Usage: critical Certificate Sign, CRL Sign X509v3");
    expect(lines).toContain(`URI:${template.crlUrl}`);
    expect(text.match(/X509v3 (?!extensions)/g)).toHaveLength(5);
    const certificate = new X509Certificate(der);
    expect(certificate.subject).toBe("CN=Test Issuing CA");
    expect(certificate.checkIssued(new X509Certificate(root.issuer.der))).toBe(true);
  });

  it.each([
    "Zoë's CA",
    "Smith, Wesson + Co.",
    'The "best" CA',
    "#1 CA",
    "#04024869",
    "a=b",
    "back\\slash",
    " space ",
  ])("carries its name as it was given: %j", async (commonName) => {
    const { issuer } = await makeIssuer("ec-p256", { commonName });
    const values = [0x0c, 0x13].map((tag) =>
      sequence(set(sequence(oid("2.5.4.3"), element(tag, Buffer.from(commonName))))),
    );
    expect(values).toContainEqual(Buffer.from(readCertificate(issuer.der).subject));
  });

  it("bounds how many CAs stand below it", async () => {
    const root = await makeIssuer("ec-p256");
    const issuing = await makeIssuer("ec-p256", { parent: root });
    const tooDeep = await makeIssuer("ec-p256", { parent: issuing });
    const leaf = await signLeaf(tooDeep.issuer, clientTemplate(await freshSpki()));
    const trust = ["-CAfile", await pemFile("deep-root", root.issuer.der)];
    const chain = ["-untrusted", await pemFile("deep-chain", issuing.issuer.der, tooDeep.issuer.der)];
    const ran = await run("openssl", ["verify", ...trust, ...chain, await pemFile("deep-leaf", leaf)]);
    expect(ran.code).not.toBe(0);
    expect(ran.stdout + ran.stderr).toContain("path length constraint exceeded");
  });

  it.each(keyTypes)("signs itself: %s", async (keyType) => {
    const { issuer } = await makeIssuer(keyType);
    const certificate = new X509Certificate(issuer.der);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    if (keyType.startsWith("ml-dsa")) return; // OpenSSL knows ML-DSA from 3.5
    const file = await pemFile(`self-${keyType}`, issuer.der);
    expect(await runOk("openssl", ["verify", "-x509_strict", "-CAfile", file, file])).toBe(`${file}: OK\n`);
  });
});
