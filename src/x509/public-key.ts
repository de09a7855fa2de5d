import { type KeyObject, createPublicKey } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { type KeyType, keyTypeOf } from "../domain/key-policy.ts";
import { DerReader, tags } from "./der-reader.ts";
import { oid, sequence } from "./der-writer.ts";

const ecPublicKey = oid("1.2.840.10045.2.1");

/** AlgorithmIdentifier with a named curve (RFC 5480 §2.1.1), and the length of an uncompressed point. */
const curves: Partial<Record<KeyType, { readonly algorithm: Buffer; readonly pointLength: number }>> = {
  "ec-p256": { algorithm: sequence(ecPublicKey, oid("1.2.840.10045.3.1.7")), pointLength: 65 },
  "ec-p384": { algorithm: sequence(ecPublicKey, oid("1.3.132.0.34")), pointLength: 97 },
};

const UNCOMPRESSED = 0x04;

/**
 * Opens a SubjectPublicKeyInfo (DER) and names its type.
 *
 * One key, one encoding: otherwise one key would have several hashes, and a rule about it could be got around.
 *
 * @throws Refusal KEY_UNSUPPORTED, KEY_WEAK.
 */
export function readPublicKey(spki: Uint8Array): { readonly key: KeyObject; readonly keyType: KeyType } {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (error) {
    throw new Refusal("KEY_UNSUPPORTED", undefined, String(error));
  }
  const keyType = keyTypeOf(key);
  if (!isCanonical(spki, key, keyType)) {
    throw new Refusal(
      "KEY_UNSUPPORTED",
      "The key is encoded in an unusual way. Use a named curve, uncompressed.",
    );
  }
  return { key, keyType };
}

function isCanonical(spki: Uint8Array, key: KeyObject, keyType: KeyType): boolean {
  const curve = curves[keyType];
  // OpenSSL writes an EC key in the form in which it came, so that comparing with its export shows nothing.
  if (!curve) return key.export({ format: "der", type: "spki" }).equals(spki);
  try {
    const fields = new DerReader(spki).enter(tags.sequence);
    const isNamed = curve.algorithm.equals(fields.read(tags.sequence).encoded);
    const point = fields.bits();
    return isNamed && fields.atEnd && point.length === curve.pointLength && point[0] === UNCOMPRESSED;
  } catch {
    return false;
  }
}
