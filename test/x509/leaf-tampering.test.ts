import { describe, expect, it } from "vitest";
import type { Issuer, LeafTemplate, Signer } from "../../src/domain/ports.ts";
import { compareLeaf } from "../../src/x509/leaf-comparison.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow, testSerial } from "../support/fixtures-issuer.ts";

const { issuer } = await makeIssuer("ec-p256");
const other = await makeIssuer("ec-p256");
const spki = await freshSpki();
const anotherSpki = await freshSpki();
const { signer } = issuer;

/** What a signing with this issuer would be refused for. */
async function differences(by: Issuer, template: LeafTemplate): Promise<string[]> {
  return compareLeaf(await signLeaf(by, template), by, template);
}

const withSigner = (sign: Signer["sign"]): Issuer => ({ ...issuer, signer: { ...signer, sign } });

describe("a certificate is not released", () => {
  it.each<readonly [string, Issuer, string]>([
    [
      "when its signer signs something else",
      withSigner((data) => {
        const changed = Buffer.from(data);
        changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
        return signer.sign(changed);
      }),
      "signature",
    ],
    ["when another key signs", withSigner((data) => other.issuer.signer.sign(data)), "signature"],
    ["when the signature is empty", withSigner(() => Promise.resolve(new Uint8Array())), "signature"],
    ["when the signature is zeros", withSigner(() => Promise.resolve(new Uint8Array(70))), "signature"],
  ])("%s", async (_name, tampering, check) => {
    expect(await differences(tampering, clientTemplate(spki))).toEqual([check]);
  });

  it("when the issuer's certificate is another's", async () => {
    const mixed = { ...issuer, der: other.issuer.der };
    expect(await differences(mixed, clientTemplate(spki))).toEqual(["Node: issuer", "signature"]);
  });

  it("when its name would say something else", async () => {
    const template = clientTemplate(spki, { commonName: "a\nCN=admin" });
    expect(await differences(issuer, template)).toEqual(["Node: subject"]);
  });

  it("when its times are not whole seconds", async () => {
    const template = clientTemplate(spki, { notAfter: testNow + 3_600_500 });
    expect(await differences(issuer, template)).toEqual(["notAfter", "Node: notAfter"]);
  });

  it("when it would outlive its issuer", async () => {
    const template = clientTemplate(spki, { notAfter: issuer.notAfter + 1000 });
    expect(await differences(issuer, template)).toEqual(["issuer's end"]);
  });

  it("when it is no certificate", () => {
    expect(compareLeaf(Buffer.from("3000", "hex"), issuer, clientTemplate(spki))).toEqual([
      expect.stringMatching(/^form \(DerError/),
    ]);
  });

  // What was signed, and what was meant: in each of these the two differ in one field, with a right signature.
  it.each<readonly [string, Partial<LeafTemplate>, readonly string[]]>([
    ["another serial", { serial: testSerial() }, ["serial", "Node: serial"]],
    ["an earlier start", { notBefore: testNow - 120_000 }, ["notBefore", "Node: notBefore"]],
    ["another end", { notAfter: testNow + 7_200_000 }, ["notAfter", "Node: notAfter"]],
    ["another name", { commonName: "admin" }, ["subject", "Node: subject"]],
    ["another key", { spki: anotherSpki }, ["key", "subject key identifier"]],
    ["another key usage", { keyUsage: ["digitalSignature", "keyAgreement"] }, ["key usage"]],
    [
      "a further purpose",
      { extendedKeyUsage: ["clientAuth", "serverAuth"] },
      ["extended key usage", "Node: extended key usage"],
    ],
    ["another SAN", { uris: ["spiffe://example.test/account/admin"] }, ["uris"]],
    ["a further SAN", { dnsNames: ["admin.example.test"] }, ["DNS names"]],
    ["an address", { addresses: ["10.0.0.1"] }, ["addresses"]],
    ["no SAN", { uris: [] }, ["extensions", "uris"]],
    ["another CRL", { publicUrl: "http://elsewhere.test" }, ["CRL URL", "access URLs"]],
    ["no CRL", { publicUrl: undefined }, ["extensions", "CRL URL", "access URLs"]],
  ])("when it has %s than was meant", async (_name, changes, found) => {
    const meant = clientTemplate(spki);
    const der = await signLeaf(issuer, { ...meant, ...changes });
    expect(compareLeaf(der, issuer, meant)).toEqual(found);
  });

  it("when its signer fails", async () => {
    const failing = withSigner(() => Promise.reject(new Error("the token is away")));
    await expect(signLeaf(failing, clientTemplate(spki))).rejects.toThrow("the token is away");
  });

  it("when its signer fails to leave the data alone", async () => {
    const scribbling = withSigner(async (data) => {
      const signature = await signer.sign(data);
      data.fill(0, 40, 60);
      return signature;
    });
    expect(await differences(scribbling, clientTemplate(spki))).not.toEqual([]);
  });
});
