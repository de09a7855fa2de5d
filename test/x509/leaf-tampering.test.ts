import { describe, expect, it } from "vitest";
import type { Issuer, Signer } from "../../src/domain/ports.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow } from "../support/fixtures-issuer.ts";

const { issuer } = await makeIssuer("ec-p256");
const other = await makeIssuer("ec-p256");
const spki = await freshSpki();
const { signer } = issuer;

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
    ["when the issuer's certificate is another's", { ...issuer, der: other.issuer.der }, "signature"],
  ])("%s", async (_name, tampering, check) => {
    const signed = signLeaf(tampering, clientTemplate(spki));
    await expect(signed).rejects.toThrow(`a signed certificate is not what was meant: ${check}`);
  });

  it("when its name would say something else", async () => {
    const signed = signLeaf(issuer, clientTemplate(spki, { commonName: "a\nCN=admin" }));
    await expect(signed).rejects.toThrow("a signed certificate is not what was meant: subject");
  });

  it("when its times are not whole seconds", async () => {
    const signed = signLeaf(issuer, clientTemplate(spki, { notAfter: testNow + 3_600_500 }));
    await expect(signed).rejects.toThrow("a signed certificate is not what was meant: notAfter");
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
    await expect(signLeaf(scribbling, clientTemplate(spki))).rejects.toThrow();
  });
});
