import { createPrivateKey } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { DerReader, tags } from "../../src/x509/der-reader.ts";
import { fromPem } from "../../src/x509/pem.ts";
import { decryptPrivateKey, encryptPrivateKey } from "../../src/x509/private-key.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { run, runOk } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";

const password = "correct horse, Pferd & Größe";
const { privateKey } = await makeKeyPair("ec-p256");
const pem = await encryptPrivateKey(privateKey, password);
const wrong = { code: "PASSWORD_WRONG", message: "The key does not open with this password." };

describe("an encrypted private key", () => {
  it("is PKCS#8 with PBES2, PBKDF2-HMAC-SHA-256 of 600,000 rounds and AES-256", () => {
    const der = fromPem(pem, ["ENCRYPTED PRIVATE KEY"]) ?? Buffer.alloc(0);
    const outer = new DerReader(der).enter(tags.sequence);
    const algorithm = outer.enter(tags.sequence);
    expect(outer.read(tags.octetString).contents.length % 16).toBe(0);
    outer.end();
    expect(algorithm.oid()).toBe("1.2.840.113549.1.5.13");
    const parameters = algorithm.enter(tags.sequence);
    const derivation = parameters.enter(tags.sequence);
    expect(derivation.oid()).toBe("1.2.840.113549.1.5.12");
    const pbkdf2 = derivation.enter(tags.sequence);
    expect(pbkdf2.read(tags.octetString).contents.length).toBeGreaterThanOrEqual(16);
    expect(Number(`0x${Buffer.from(pbkdf2.integer()).toString("hex")}`)).toBeGreaterThanOrEqual(600_000);
    expect([...pbkdf2.integer()]).toEqual([32]);
    expect(pbkdf2.enter(tags.sequence).oid()).toBe("1.2.840.113549.2.9");
    expect(parameters.enter(tags.sequence).oid()).toBe("2.16.840.1.101.3.4.1.42");
  });

  it("opens with its password", () => {
    expect(decryptPrivateKey(pem, password).equals(privateKey)).toBe(true);
  });

  it("has a salt and an IV of its own each time", async () => {
    expect(await encryptPrivateKey(privateKey, password)).not.toBe(pem);
  });

  it("opens with openssl and the password in a file", async () => {
    const { file } = await testWorkspace();
    await writeFile(file("password"), `${password}\n`);
    await writeFile(file("key"), pem);
    const opened = await runOk("openssl", [
      "pkey",
      "-in",
      file("key"),
      "-passin",
      `file:${file("password")}`,
    ]);
    expect(createPrivateKey(opened).equals(privateKey)).toBe(true);
    await writeFile(file("password"), "wrong\n");
    const refused = await run("openssl", ["pkey", "-in", file("key"), "-passin", `file:${file("password")}`]);
    expect(refused.code).not.toBe(0);
  });

  it.each(keyTypes.filter((keyType) => !keyType.startsWith("rsa-3") && !keyType.startsWith("rsa-4")))(
    "may be of type %s",
    async (keyType) => {
      const pair = await makeKeyPair(keyType);
      const opened = decryptPrivateKey(await encryptPrivateKey(pair.privateKey, password), password);
      expect(opened.equals(pair.privateKey)).toBe(true);
    },
  );

  it.each([
    ["another password", pem, "another"],
    ["an empty password", pem, ""],
    ["a password with a line break after it", pem, `${password}\n`],
    ["a damaged file", pem.replace(/[A-Z](?=.*\n-----END)/, "!"), password],
    ["no key at all", "", password],
  ])("does not open: %s", (_name, text, given) => {
    expect(refusalOf(() => decryptPrivateKey(text, given))).toEqual(wrong);
  });
});
