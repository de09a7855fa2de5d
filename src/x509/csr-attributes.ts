import type { KeyType } from "../domain/key-policy.ts";
import { integer, oid, sequence, set } from "./der-writer.ts";

/** What names a key of each type: its algorithm alone, or an attribute with its size or curve (RFC 7030 §4.5.2). */
const keyAttributes: Readonly<Record<KeyType, Uint8Array>> = {
  "ec-p256": ecKey("1.2.840.10045.3.1.7"),
  "ec-p384": ecKey("1.3.132.0.34"),
  ed25519: oid("1.3.101.112"),
  "rsa-2048": rsaKey(2048),
  "rsa-3072": rsaKey(3072),
  "rsa-4096": rsaKey(4096),
  "ml-dsa-44": oid("2.16.840.1.101.3.4.3.17"),
  "ml-dsa-65": oid("2.16.840.1.101.3.4.3.18"),
  "ml-dsa-87": oid("2.16.840.1.101.3.4.3.19"),
};

/** CsrAttrs that ask for a key of this type, DER (RFC 8951 §3.4). */
export function csrAttributes(keyType: KeyType): Uint8Array {
  return sequence(keyAttributes[keyType]);
}

function ecKey(curve: string): Uint8Array {
  return sequence(oid("1.2.840.10045.2.1"), set(oid(curve)));
}

function rsaKey(bits: number): Uint8Array {
  return sequence(oid("1.2.840.113549.1.1.1"), set(integer(bits)));
}
