import { type KeyObject, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { KeyPair, KeyType } from "../domain/key-policy.ts";

/** Makes a key pair of any of the types that there are. */
export async function makeKeyPair(keyType: KeyType): Promise<KeyPair> {
  return { keyType, ...(await generate(keyType)) };
}

function generate(keyType: KeyType): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  switch (keyType) {
    case "ec-p256":
      return promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
    case "ec-p384":
      return promisify(generateKeyPair)("ec", { namedCurve: "P-384" });
    case "rsa-2048":
    case "rsa-3072":
    case "rsa-4096":
      return promisify(generateKeyPair)("rsa", { modulusLength: Number(keyType.slice(4)) });
    case "ed25519":
      return promisify(generateKeyPair)("ed25519");
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return promisify(generateKeyPair)(keyType);
  }
}
