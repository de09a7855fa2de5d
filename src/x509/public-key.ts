import { Refusal } from "../domain/errors.ts";
import {
  type EcKeyType,
  type MlDsaKeyType,
  type PublicKeyOctets,
  unusualEncoding,
} from "../domain/key-policy.ts";
import { DerReader, tags } from "./der-reader.ts";
import { nothing, oid, sequence } from "./der-writer.ts";

const ecPublicKey = oid("1.2.840.10045.2.1");
const rsaEncryption = oid("1.2.840.113549.1.1.1");

/** AlgorithmIdentifiers, DER: with NULL for RSA (RFC 3279 §2.3.1), a named curve for EC (RFC 5480 §2.1.1), else nothing. */
const identifiers = {
  rsa: sequence(rsaEncryption, nothing()),
  "ec-p256": sequence(ecPublicKey, oid("1.2.840.10045.3.1.7")),
  "ec-p384": sequence(ecPublicKey, oid("1.3.132.0.34")),
  ed25519: sequence(oid("1.3.101.112")),
  "ml-dsa-44": sequence(oid("2.16.840.1.101.3.4.3.17")),
  "ml-dsa-65": sequence(oid("2.16.840.1.101.3.4.3.18")),
  "ml-dsa-87": sequence(oid("2.16.840.1.101.3.4.3.19")),
} as const;

const byIdentifier = new Map(
  Object.entries(identifiers).map(([name, der]) => [
    der.toString("hex"),
    name as "rsa" | "ed25519" | EcKeyType | MlDsaKeyType,
  ]),
);

/**
 * Takes a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) apart, in the one encoding that each key has.
 *
 * @param spki DER
 * @throws DerError; Refusal KEY_UNSUPPORTED for an algorithm, or a way of writing it, that is not taken here.
 */
export function readPublicKey(spki: Uint8Array): PublicKeyOctets {
  const outer = new DerReader(spki);
  const fields = outer.enter(tags.sequence);
  outer.end();
  const identifier = fields.read(tags.sequence);
  const octets = fields.bits();
  fields.end();
  const algorithm = byIdentifier.get(Buffer.from(identifier.encoded).toString("hex"));
  switch (algorithm) {
    case "rsa":
      return readRsaKey(octets);
    case "ec-p256":
    case "ec-p384":
      return { algorithm: "ec", curve: algorithm, point: octets };
    case "ed25519":
      return { algorithm, point: octets };
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return { algorithm, key: octets };
    case undefined:
      return readOtherKey(identifier.contents, octets);
  }
}

/** With an algorithm that is one of ours but for its parameters: another curve, an explicit one, no NULL for RSA. */
function readOtherKey(identifier: Uint8Array, point: Uint8Array): PublicKeyOctets {
  const fields = new DerReader(identifier);
  const algorithm = Buffer.from(fields.read(tags.oid).encoded);
  if (algorithm.equals(rsaEncryption)) throw unusualEncoding();
  if (!algorithm.equals(ecPublicKey)) throw new Refusal("KEY_UNSUPPORTED");
  if (fields.nextTag !== tags.oid) throw unusualEncoding();
  return { algorithm: "ec", curve: "other", point };
}

/** RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 §A.1.1) */
function readRsaKey(octets: Uint8Array): PublicKeyOctets {
  const outer = new DerReader(octets);
  const numbers = outer.enter(tags.sequence);
  outer.end();
  const modulus = numbers.integer();
  const exponent = numbers.integer();
  numbers.end();
  return { algorithm: "rsa", modulus, exponent };
}
