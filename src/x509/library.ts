// @peculiar/x509 needs the metadata polyfill loaded before it: this is the only place that imports either.
import "reflect-metadata";
import { type KeyObject, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { KeyType } from "../domain/key-policy.ts";

x509.cryptoProvider.set(webcrypto);

export { x509 };

/** A common name, as a typed value: a bare string would be read as RFC 4514 text, with escapes of its own. */
export function nameOf(commonName: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

/** WebCrypto's name for signing with a key of this type. */
export function signingAlgorithm(keyType: KeyType): {
  readonly name: string;
  readonly hash?: string;
  readonly namedCurve?: string;
} {
  switch (keyType) {
    case "ec-p256":
      return { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    case "ec-p384":
      return { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
    case "ed25519":
      return { name: "Ed25519" };
    case "rsa-2048":
    case "rsa-3072":
    case "rsa-4096":
      return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return { name: keyType.toUpperCase() };
  }
}

/** Lends a public key to the library. */
export function toPublicCryptoKey(publicKey: KeyObject, keyType: KeyType): webcrypto.CryptoKey {
  return publicKey.toCryptoKey(signingAlgorithm(keyType), true, ["verify"]);
}

/** Lends a key pair to the library as WebCrypto keys. */
export function toCryptoKeys(
  pair: { privateKey: KeyObject; publicKey: KeyObject },
  keyType: KeyType,
): webcrypto.CryptoKeyPair {
  const algorithm = signingAlgorithm(keyType);
  return {
    privateKey: pair.privateKey.toCryptoKey(algorithm, true, ["sign"]),
    publicKey: toPublicCryptoKey(pair.publicKey, keyType),
  };
}
