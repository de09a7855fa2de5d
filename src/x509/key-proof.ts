import { verify } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { spkiHashOf } from "../domain/identifiers.ts";
import { identifyKey } from "../domain/key-policy.ts";
import type { KeyProofs, PlainKey } from "../domain/ports.ts";
import { DerError } from "./der-reader.ts";
import { fromBase64, fromPem } from "./pem.ts";
import { readPublicKey } from "./public-key.ts";

/** Public keys by themselves, and signatures that prove who holds them. */
export const keyProofs: KeyProofs = { readKey, isSignedBy };

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
function isSignedBy({ spki, keyType }: PlainKey, message: Uint8Array, signature: Uint8Array): boolean {
  const digest = keyType.startsWith("ec-") || keyType.startsWith("rsa-") ? "sha256" : null;
  try {
    return verify(digest, message, { key: Buffer.from(spki), format: "der", type: "spki" }, signature);
  } catch {
    return false; // OpenSSL throws for some signatures that are none
  }
}

function malformed(): Refusal {
  return new Refusal(
    "BODY_MALFORMED",
    "publicKey is not a SubjectPublicKeyInfo in PEM, or in base64 of DER.",
  );
}
