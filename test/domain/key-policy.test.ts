import { type KeyObject, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { identifyKey, keyTypeOf, keyTypes, requireStrongKey } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { readPublicKey } from "../../src/x509/public-key.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import {
  ecKeys,
  ed25519Keys,
  mlDsaKey,
  rsaKeys,
  smallOrderKey,
  smallOrderPoints,
} from "../support/offending-keys.ts";

const spkiOf = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" });
const ec = (namedCurve: string): Buffer => spkiOf(generateKeyPairSync("ec", { namedCurve }).publicKey);

function judge(spki: Uint8Array): string {
  const key = readPublicKey(spki);
  const type = identifyKey(key);
  requireStrongKey(key);
  return type;
}

const otherCurve = "An EC key must be on the curve P-256 or P-384.";
const otherSize = "An RSA key must have 2048, 3072 or 4096 bits.";
const otherExponent = "An RSA key's public exponent must be 65537.";
const unusual = "The key is encoded in an unusual way. Use a named curve, uncompressed.";
const offCurve = "The EC key's point is not on its curve.";
const otherAlgorithm = "Keys of this type are not signed here.";
const bits = (found: number): string => `An RSA key needs at least 2048 bits; this one has ${String(found)}.`;
const factor = (found: number): string =>
  `An RSA key's modulus must have no factor below 1000; this one has ${String(found)}.`;
const close = "An RSA key's primes must not be close to each other.";

type Rule = readonly [rule: string, key: () => Uint8Array, code: string, message: string];

const rsaRules: readonly Rule[] = [
  ["1024 bits", () => rsaKeys.bits1024().spki, "KEY_WEAK", bits(1024)],
  ["2047 bits", () => rsaKeys.bits2047().spki, "KEY_WEAK", bits(2047)],
  ["2056 bits", () => rsaKeys.bits2056().spki, "KEY_UNSUPPORTED", otherSize],
  ["exponent 3", () => rsaKeys.exponent3().spki, "KEY_WEAK", otherExponent],
  ["exponent 65539", () => rsaKeys.exponent65539().spki, "KEY_WEAK", otherExponent],
  ["an even exponent", () => rsaKeys.evenExponent().spki, "KEY_WEAK", otherExponent],
  [
    "a negative modulus",
    () => rsaKeys.negativeModulus().spki,
    "KEY_WEAK",
    "An RSA key's modulus must be positive.",
  ],
  ["an even modulus", () => rsaKeys.evenModulus().spki, "KEY_WEAK", "An RSA key's modulus must be odd."],
  ["the factor 3", () => rsaKeys.factor3().spki, "KEY_WEAK", factor(3)],
  ["the factor 751", () => rsaKeys.factor751().spki, "KEY_WEAK", factor(751)],
  ["close primes", () => rsaKeys.closePrimes().spki, "KEY_WEAK", close],
  ["primes that the hundredth round finds", () => rsaKeys.closePrimesJustWithin().spki, "KEY_WEAK", close],
  [
    "the ROCA flaw",
    () => rsaKeys.roca().spki,
    "KEY_WEAK",
    "An RSA key must not come from a generator with the ROCA flaw (CVE-2017-15361).",
  ],
];

const ecRules: readonly Rule[] = [
  ["the curve P-521", () => ecKeys.p521().spki, "KEY_UNSUPPORTED", otherCurve],
  ["the curve P-224", () => ec("secp224r1"), "KEY_UNSUPPORTED", otherCurve],
  ["the curve secp256k1", () => ecKeys.secp256k1().spki, "KEY_UNSUPPORTED", otherCurve],
  ["the curve brainpoolP256r1", () => ec("brainpoolP256r1"), "KEY_UNSUPPORTED", otherCurve],
  ["a curve of its own", () => ecKeys.explicitParameters().spki, "KEY_UNSUPPORTED", unusual],
  ["a compressed point", () => ecKeys.compressed().spki, "KEY_UNSUPPORTED", unusual],
  ["a hybrid point", () => ecKeys.hybrid().spki, "KEY_UNSUPPORTED", unusual],
  ["the point at infinity", () => ecKeys.infinity().spki, "KEY_UNSUPPORTED", unusual],
  ["a point off the curve", () => ecKeys.offCurve().spki, "KEY_WEAK", offCurve],
  ["an x that is p", () => ecKeys.xIsP().spki, "KEY_WEAK", offCurve],
  ["a y above p", () => ecKeys.yAboveP().spki, "KEY_WEAK", offCurve],
];

const octets = "An Ed25519 key has 32 octets.";
const mlDsaOctets = { "ml-dsa-44": 1312, "ml-dsa-65": 1952, "ml-dsa-87": 2592 } as const;

const otherRules: readonly Rule[] = [
  ["Ed25519 of 31 octets", () => ed25519Keys.octets31().spki, "KEY_WEAK", octets],
  ["Ed25519 of 33 octets", () => ed25519Keys.octets33().spki, "KEY_WEAK", octets],
  [
    "Ed25519 with y above p",
    () => ed25519Keys.notCanonical().spki,
    "KEY_WEAK",
    "The Ed25519 key is not encoded canonically.",
  ],
  ...smallOrderPoints.map((point, index): Rule => [
    `Ed25519's point of small order ${String(index + 1)}`,
    () => smallOrderKey(point).spki,
    "KEY_WEAK",
    "The Ed25519 key is a point of small order.",
  ]),
  ...Object.entries(mlDsaOctets).flatMap(([type, length]) =>
    ([-1, 1] as const).map((difference): Rule => [
      `${type} of ${String(length + difference)} octets`,
      () => mlDsaKey(type as keyof typeof mlDsaOctets, difference).spki,
      "KEY_WEAK",
      `An ${type.toUpperCase()} key has ${String(length)} octets.`,
    ]),
  ),
  ["X25519", () => spkiOf(generateKeyPairSync("x25519").publicKey), "KEY_UNSUPPORTED", otherAlgorithm],
  ["Ed448", () => spkiOf(generateKeyPairSync("ed448").publicKey), "KEY_UNSUPPORTED", otherAlgorithm],
  ["ML-KEM", () => spkiOf(generateKeyPairSync("ml-kem-768").publicKey), "KEY_UNSUPPORTED", otherAlgorithm],
  [
    "RSA-PSS",
    () => spkiOf(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey),
    "KEY_UNSUPPORTED",
    otherAlgorithm,
  ],
  [
    "DSA",
    () => spkiOf(generateKeyPairSync("dsa", { modulusLength: 1024, divisorLength: 160 }).publicKey),
    "KEY_UNSUPPORTED",
    otherAlgorithm,
  ],
];

describe("the key policy takes", () => {
  it.each(keyTypes)("%s, and names it, from either half too", async (type) => {
    const { publicKey, privateKey } = await makeKeyPair(type);
    expect(judge(spkiOf(publicKey))).toBe(type);
    expect(keyTypeOf(publicKey)).toBe(type);
    expect(keyTypeOf(privateKey)).toBe(type);
  });

  it.each(["good", "threePrimes", "factor1009", "closePrimesJustBeyond"] as const)(
    "an RSA key that breaks no rule: %s",
    (name) => {
      expect(judge(rsaKeys[name]().spki)).toBe("rsa-2048");
    },
  );
});

describe.each([
  ["an RSA key", rsaRules],
  ["an EC key", ecRules],
  ["a key of another type", otherRules],
])("the key policy refuses %s", (_type, rules) => {
  it.each(rules)("for %s", (_rule, key, code, message) => {
    expect(refusalOf(() => judge(key()))).toEqual({ code, message });
  });
});

describe("a key that OpenSSL has opened is named by its type alone:", () => {
  it.each<[string, () => KeyObject, string]>([
    ["EC on P-521", () => generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey, otherCurve],
    ["RSA of 2050 bits", () => generateKeyPairSync("rsa", { modulusLength: 2050 }).privateKey, otherSize],
    ["X25519", () => generateKeyPairSync("x25519").privateKey, otherAlgorithm],
  ])("%s is none", (_name, make, message) => {
    expect(refusalOf(() => keyTypeOf(make()))).toEqual({ code: "KEY_UNSUPPORTED", message });
  });
});
