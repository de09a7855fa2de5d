import { Refusal } from "../domain/errors.ts";
import { spkiHashOf } from "../domain/identifiers.ts";
import { identifyKey } from "../domain/key-policy.ts";
import type { KeyProofs, PlainKey } from "../domain/ports.ts";
import { DerError } from "./der-reader.ts";
import { fromBase64, fromPem } from "./pem.ts";
import { readPublicKey } from "./public-key.ts";
import { isSignedBy } from "./signature.ts";

/** Public keys by themselves, and signatures that prove who holds them. */
export const keyProofs: KeyProofs = {
  readKey,
  isSignedBy: (key, message, signature) => isSignedBy(digestOf(key), message, key.spki, signature),
};

function readKey(text: string): PlainKey {
  const spki = fromPem(text, ["PUBLIC KEY"]) ?? fromBase64(text.replace(/\s/g, ""));
  if (!spki) throw malformed();
  try {
    const keyType = identifyKey(readPublicKey(spki));
    return { spki, keyType, spkiHash: spkiHashOf(spki) };
  } catch (error) {
    throw error instanceof DerError ? malformed() : error;
  }
}

/** SHA-256 for RSA (PKCS#1 v1.5) and ECDSA (DER); the others have their own digest. */
function digestOf({ keyType }: PlainKey): string | null {
  return keyType.startsWith("ec-") || keyType.startsWith("rsa-") ? "sha256" : null;
}

function malformed(): Refusal {
  return new Refusal(
    "BODY_MALFORMED",
    "publicKey is not a SubjectPublicKeyInfo in PEM, or in base64 of DER.",
  );
}
