import type { KeyObject } from "node:crypto";
import { isOnCurve } from "./ec-point.ts";
import { isCanonical, isSmallOrder } from "./ed25519-point.ts";
import { Refusal } from "./errors.ts";
import { requireStrongModulus } from "./rsa-weakness.ts";

/** The types of key that an issuer or a client can have. */
export const keyTypes = [
  "ec-p256",
  "ec-p384",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
  "ml-dsa-44",
  "ml-dsa-65",
  "ml-dsa-87",
] as const;
export type KeyType = (typeof keyTypes)[number];

export interface KeyPair {
  readonly keyType: KeyType;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** What a SubjectPublicKeyInfo holds, as octets; whether it is a key at all is for `identifyKey` to say. */
export type PublicKeyOctets =
  /** The contents of two INTEGERs (RFC 8017 §A.1.1). */
  | { readonly algorithm: "rsa"; readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  /** A point (SEC 1 §2.3.3) on a named curve: one of ours, or another. */
  | { readonly algorithm: "ec"; readonly curve: EcKeyType | "other"; readonly point: Uint8Array }
  | { readonly algorithm: "ed25519"; readonly point: Uint8Array }
  | { readonly algorithm: MlDsaKeyType; readonly key: Uint8Array };
export type EcKeyType = "ec-p256" | "ec-p384";
export type MlDsaKeyType = "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87";

const rsaSizes: Readonly<Record<number, KeyType>> = { 2048: "rsa-2048", 3072: "rsa-3072", 4096: "rsa-4096" };
/** FIPS 204 table 2: the public keys' lengths in octets. */
const mlDsaLengths: Readonly<Record<MlDsaKeyType, number>> = {
  "ml-dsa-44": 1312,
  "ml-dsa-65": 1952,
  "ml-dsa-87": 2592,
};
const pointLengths: Readonly<Record<EcKeyType, number>> = { "ec-p256": 65, "ec-p384": 97 };
const UNCOMPRESSED = 0x04;
const otherCurve = "An EC key must be on the curve P-256 or P-384.";

/** For a key that may be good, but is not written in the one way that it is to be written in. */
export function unusualEncoding(): Refusal {
  return new Refusal(
    "KEY_UNSUPPORTED",
    "The key is encoded in an unusual way. Use a named curve, uncompressed.",
  );
}

/**
 * Names a public key's type, if these octets are a key of one that is signed here. Nothing that fails this is given to
 * OpenSSL. One key, one encoding: otherwise one key would have several hashes, and a rule about it could be got around.
 *
 * @throws Refusal KEY_UNSUPPORTED, or KEY_WEAK with the rule that it breaks.
 */
export function identifyKey(key: PublicKeyOctets): KeyType {
  switch (key.algorithm) {
    case "rsa":
      return identifyRsa(key.modulus, key.exponent);
    case "ec":
      return identifyEc(key.curve, key.point);
    case "ed25519":
      return identifyEd25519(key.point);
    default: {
      const length = mlDsaLengths[key.algorithm];
      if (key.key.length === length) return key.algorithm;
      throw new Refusal("KEY_WEAK", `An ${key.algorithm.toUpperCase()} key has ${String(length)} octets.`);
    }
  }
}

/**
 * The rules that a key which works can break all the same: its maker chose badly. Of other types than RSA any key that
 * is one is as good as another.
 *
 * @throws Refusal KEY_WEAK with the rule that it breaks.
 */
export function requireStrongKey(key: PublicKeyOctets): void {
  if (key.algorithm === "rsa") {
    requireStrongModulus(BigInt(`0x${Buffer.from(key.modulus).toString("hex")}`));
  }
}

function identifyRsa(modulus: Uint8Array, exponent: Uint8Array): KeyType {
  if ((modulus[0] ?? 0) >= 0x80) throw new Refusal("KEY_WEAK", "An RSA key's modulus must be positive.");
  const leading = modulus[0] === 0 ? 1 : 0; // a sign octet, which DER wants before a high bit
  const bits = (modulus.length - leading) * 8 - Math.clz32((modulus[leading] ?? 0) << 24);
  if (bits < 2048) {
    throw new Refusal("KEY_WEAK", `An RSA key needs at least 2048 bits; this one has ${String(bits)}.`);
  }
  if (Buffer.from(exponent).toString("hex") !== "010001") {
    throw new Refusal("KEY_WEAK", "An RSA key's public exponent must be 65537.");
  }
  const type = rsaSizes[bits];
  if (!type) throw new Refusal("KEY_UNSUPPORTED", "An RSA key must have 2048, 3072 or 4096 bits.");
  if ((modulus.at(-1) ?? 0) % 2 === 0) throw new Refusal("KEY_WEAK", "An RSA key's modulus must be odd.");
  return type;
}

function identifyEc(curve: EcKeyType | "other", point: Uint8Array): KeyType {
  if (curve === "other") throw new Refusal("KEY_UNSUPPORTED", otherCurve);
  if (point[0] !== UNCOMPRESSED || point.length !== pointLengths[curve]) {
    throw unusualEncoding();
  }
  if (!isOnCurve(curve, point)) throw new Refusal("KEY_WEAK", "The EC key's point is not on its curve.");
  return curve;
}

/** For a point of small order anybody can sign, and not every verifier minds. */
function identifyEd25519(point: Uint8Array): KeyType {
  if (point.length !== 32) throw new Refusal("KEY_WEAK", "An Ed25519 key has 32 octets.");
  if (isSmallOrder(point)) throw new Refusal("KEY_WEAK", "The Ed25519 key is a point of small order.");
  if (!isCanonical(point)) throw new Refusal("KEY_WEAK", "The Ed25519 key is not encoded canonically.");
  return "ed25519";
}

const curves: Readonly<Record<string, KeyType>> = { prime256v1: "ec-p256", secp384r1: "ec-p384" };

/** Names the type of a key that OpenSSL has opened: one of our own, or a file's. Throws KEY_UNSUPPORTED. */
export function keyTypeOf(key: KeyObject): KeyType {
  const { asymmetricKeyType: algorithm, asymmetricKeyDetails: details } = key;
  switch (algorithm) {
    case "ec": {
      const type = curves[details?.namedCurve ?? ""];
      if (type) return type;
      throw new Refusal("KEY_UNSUPPORTED", otherCurve);
    }
    case "rsa": {
      const type = rsaSizes[details?.modulusLength ?? 0];
      if (type) return type;
      throw new Refusal("KEY_UNSUPPORTED", "An RSA key must have 2048, 3072 or 4096 bits.");
    }
    case "ed25519":
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return algorithm;
    default:
      throw new Refusal("KEY_UNSUPPORTED");
  }
}
