import type { KeyObject } from "node:crypto";
import { Refusal } from "./errors.ts";

/** The types of key that an issuer or a client can have (DESIGN §5). */
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

const curves: Readonly<Record<string, KeyType>> = { prime256v1: "ec-p256", secp384r1: "ec-p384" };
const rsaSizes: Readonly<Record<number, KeyType>> = { 2048: "rsa-2048", 3072: "rsa-3072", 4096: "rsa-4096" };

/** Names a public or private key's type. Throws KEY_UNSUPPORTED, or KEY_WEAK with the rule that it breaks. */
export function keyTypeOf(key: KeyObject): KeyType {
  const { asymmetricKeyType: algorithm, asymmetricKeyDetails: details } = key;
  switch (algorithm) {
    case "ec": {
      const type = curves[details?.namedCurve ?? ""];
      if (type) return type;
      throw new Refusal("KEY_UNSUPPORTED", "An EC key must be on the curve P-256 or P-384.");
    }
    case "rsa":
      return rsaKeyType(details?.modulusLength ?? 0, details?.publicExponent);
    case "ed25519":
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return algorithm;
    default:
      throw new Refusal("KEY_UNSUPPORTED");
  }
}

function rsaKeyType(bits: number, exponent: bigint | undefined): KeyType {
  if (bits < 2048)
    throw new Refusal("KEY_WEAK", `An RSA key needs at least 2048 bits; this one has ${String(bits)}.`);
  if (exponent !== 65537n) throw new Refusal("KEY_WEAK", "An RSA key's public exponent must be 65537.");
  const type = rsaSizes[bits];
  if (!type) throw new Refusal("KEY_UNSUPPORTED", "An RSA key must have 2048, 3072 or 4096 bits.");
  return type;
}
