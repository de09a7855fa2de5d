import { type KeyObject, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { keyTypeOf, keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const ec = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).publicKey;
const rsa = (modulusLength: number, publicExponent = 65537): KeyObject =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey;

const otherCurve = "An EC key must be on the curve P-256 or P-384.";
const otherAlgorithm = "Keys of this type are not signed here.";
const otherSize = "An RSA key must have 2048, 3072 or 4096 bits.";
const otherExponent = "An RSA key's public exponent must be 65537.";

const refused: readonly (readonly [string, () => KeyObject, string, string])[] = [
  ["EC on P-521", () => ec("P-521"), "KEY_UNSUPPORTED", otherCurve],
  ["EC on P-224", () => ec("secp224r1"), "KEY_UNSUPPORTED", otherCurve],
  ["EC on secp256k1", () => ec("secp256k1"), "KEY_UNSUPPORTED", otherCurve],
  ["EC on brainpoolP256r1", () => ec("brainpoolP256r1"), "KEY_UNSUPPORTED", otherCurve],
  [
    "RSA of 1024 bits",
    () => rsa(1024),
    "KEY_WEAK",
    "An RSA key needs at least 2048 bits; this one has 1024.",
  ],
  [
    "RSA of 2047 bits",
    () => rsa(2047),
    "KEY_WEAK",
    "An RSA key needs at least 2048 bits; this one has 2047.",
  ],
  ["RSA of 2050 bits", () => rsa(2050), "KEY_UNSUPPORTED", otherSize],
  ["RSA of 2560 bits", () => rsa(2560), "KEY_UNSUPPORTED", otherSize],
  ["RSA with e = 3", () => rsa(2048, 3), "KEY_WEAK", otherExponent],
  ["RSA with e = 65539", () => rsa(2048, 65539), "KEY_WEAK", otherExponent],
  [
    "RSA-PSS",
    () => generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey,
    "KEY_UNSUPPORTED",
    otherAlgorithm,
  ],
  [
    "DSA",
    () => generateKeyPairSync("dsa", { modulusLength: 1024, divisorLength: 160 }).publicKey,
    "KEY_UNSUPPORTED",
    otherAlgorithm,
  ],
  ["X25519", () => generateKeyPairSync("x25519").publicKey, "KEY_UNSUPPORTED", otherAlgorithm],
  ["Ed448", () => generateKeyPairSync("ed448").publicKey, "KEY_UNSUPPORTED", otherAlgorithm],
  ["ML-KEM", () => generateKeyPairSync("ml-kem-768").publicKey, "KEY_UNSUPPORTED", otherAlgorithm],
];

describe("the key policy", () => {
  it.each(keyTypes)("takes %s, and names it from either half", async (type) => {
    const { publicKey, privateKey } = await makeKeyPair(type);
    expect(keyTypeOf(publicKey)).toBe(type);
    expect(keyTypeOf(privateKey)).toBe(type);
  });

  it.each(refused)("refuses %s", (_name, make, code, message) => {
    expect(refusalOf(() => keyTypeOf(make()))).toEqual({ code, message });
  });
});
