import { type KeyObject, X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { type SpkiHash, spkiHashOf } from "../domain/identifiers.ts";
import { type KeyType, keyTypeOf } from "../domain/key-policy.ts";
import { parseRequest } from "./request-reader.ts";

/**
 * The public key in a file, whatever holds it: a certificate, a CSR, a public or a private key, in PEM or DER.
 *
 * @throws Refusal FILE_UNREADABLE when there is none, KEY_UNSUPPORTED when it is of no type that is signed here.
 */
export function keyInFile(bytes: Buffer): { readonly spkiHash: SpkiHash; readonly keyType: KeyType } {
  const key = openAny(bytes);
  const keyType = keyTypeOf(key);
  // OpenSSL writes an EC key in the form in which it came; a JWK has one form only.
  const plain = keyType.startsWith("ec-")
    ? createPublicKey({ key: key.export({ format: "jwk" }), format: "jwk" })
    : key;
  return { keyType, spkiHash: spkiHashOf(plain.export({ format: "der", type: "spki" })) };
}

function openAny(bytes: Buffer): KeyObject {
  const readers: readonly (() => KeyObject)[] = [
    () => new X509Certificate(bytes).publicKey,
    () => spkiKey(parseRequest(bytes).spki),
    () => createPublicKey(bytes),
    () => spkiKey(bytes),
    ...(["pkcs8", "sec1", "pkcs1"] as const).map((type) => () => {
      return createPublicKey(createPrivateKey({ key: bytes, format: "der", type }));
    }),
  ];
  for (const read of readers) {
    try {
      return read();
    } catch {
      // Then it is something else.
    }
  }
  throw new Refusal("FILE_UNREADABLE", "The file holds no certificate, CSR or key that can be read here.");
}

function spkiKey(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
}
