import type { KeyType } from "../domain/key-policy.ts";
import { nothing, oid, sequence } from "./der-writer.ts";

/** A signature algorithm, as `node:crypto` takes it and as its AlgorithmIdentifier says it. */
export interface SignatureAlgorithm {
  /** A digest's name, or `null` where the algorithm has its own (Ed25519, ML-DSA). */
  readonly digest: "sha256" | "sha384" | "sha512" | null;
  /** The beginning of the key types that may use it. */
  readonly family: "ec" | "rsa" | "ed25519" | "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87";
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Buffer;
}

const plain = (dotted: string): Buffer => sequence(oid(dotted));
// RFC 4055 §5: RSA's parameters are NULL, and must be there. The others' must be absent (RFC 5758, 8410, 9881).
const withNull = (dotted: string): Buffer => sequence(oid(dotted), nothing());

const algorithms: readonly SignatureAlgorithm[] = [
  { digest: "sha256", family: "ec", identifier: plain("1.2.840.10045.4.3.2") },
  { digest: "sha384", family: "ec", identifier: plain("1.2.840.10045.4.3.3") },
  { digest: "sha512", family: "ec", identifier: plain("1.2.840.10045.4.3.4") },
  { digest: "sha256", family: "rsa", identifier: withNull("1.2.840.113549.1.1.11") },
  { digest: "sha384", family: "rsa", identifier: withNull("1.2.840.113549.1.1.12") },
  { digest: "sha512", family: "rsa", identifier: withNull("1.2.840.113549.1.1.13") },
  { digest: null, family: "ed25519", identifier: plain("1.3.101.112") },
  { digest: null, family: "ml-dsa-44", identifier: plain("2.16.840.1.101.3.4.3.17") },
  { digest: null, family: "ml-dsa-65", identifier: plain("2.16.840.1.101.3.4.3.18") },
  { digest: null, family: "ml-dsa-87", identifier: plain("2.16.840.1.101.3.4.3.19") },
];

const byIdentifier = new Map(
  algorithms.map((algorithm) => [algorithm.identifier.toString("hex"), algorithm]),
);

/** The algorithm that an AlgorithmIdentifier (DER) names, if it is one used here. */
export function algorithmNamed(identifier: Uint8Array): SignatureAlgorithm | undefined {
  return byIdentifier.get(Buffer.from(identifier).toString("hex"));
}

/** What an issuer's key of this type signs with. */
export function algorithmFor(keyType: KeyType): SignatureAlgorithm {
  const digest = keyType.startsWith("ec-") || keyType.startsWith("rsa-") ? digestFor(keyType) : null;
  const found = algorithms.find(({ family, digest: its }) => keyType.startsWith(family) && its === digest);
  if (!found) throw new TypeError(`no signature algorithm for ${keyType}`);
  return found;
}

function digestFor(keyType: KeyType): "sha256" | "sha384" {
  return keyType === "ec-p384" ? "sha384" : "sha256";
}
