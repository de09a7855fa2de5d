import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { keyTypeOf, keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { algorithmFor } from "../../src/x509/algorithms.ts";

const data = Buffer.from("what is to be signed");
/** Is hashed in pieces where the algorithm lets it be, the last of which is short. */
const large = Buffer.alloc(2.5 * 1024 * 1024, "what is to be signed");

describe.each(keyTypes)("a key of type %s", (keyType) => {
  it("is made, and signs from memory", async () => {
    const pair = await makeKeyPair(keyType);
    expect(pair.keyType).toBe(keyType);
    expect(pair.privateKey.type).toBe("private");
    expect(pair.publicKey.type).toBe("public");
    expect(keyTypeOf(pair.publicKey)).toBe(keyType);

    const signer = memorySigner(pair.privateKey);
    expect(signer.keyType).toBe(keyType);
    expect(Buffer.from(signer.spki)).toEqual(pair.publicKey.export({ format: "der", type: "spki" }));
    const key = createPublicKey({ key: Buffer.from(signer.spki), format: "der", type: "spki" });
    const signature = await signer.sign(data);
    const { digest } = algorithmFor(keyType);
    expect(verify(digest, data, key, signature)).toBe(true);
    expect(verify(digest, Buffer.from("something else"), key, signature)).toBe(false);
    expect(verify(digest, large, key, await signer.sign(large))).toBe(true);
  });
});

describe("keys", () => {
  it("are new ones each time", async () => {
    const [one, two] = await Promise.all([makeKeyPair("ed25519"), makeKeyPair("ed25519")]);
    expect(one.publicKey.equals(two.publicKey)).toBe(false);
  });

  it("sign with the digest that belongs to their strength", () => {
    expect(keyTypes.map((keyType) => algorithmFor(keyType).digest)).toEqual([
      "sha256",
      "sha384",
      null,
      "sha256",
      "sha256",
      "sha256",
      null,
      null,
      null,
    ]);
  });
});
