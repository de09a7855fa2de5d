import { type KeyObject, sign } from "node:crypto";
import { requireStrongKey } from "../../src/domain/key-policy.ts";
import type { CertificationRequest } from "../../src/domain/ports.ts";
import { bitString, context, integer, oid, sequence, set, utf8String } from "../../src/x509/der-writer.ts";
import { verifyPossession } from "../../src/x509/request-proof.ts";
import { parseRequest } from "../../src/x509/request-reader.ts";

/** The steps from bytes to a key that is good, and held by whoever made the CSR. */
export function readRequest(bytes: Uint8Array): CertificationRequest {
  const request = parseRequest(bytes);
  verifyPossession(request);
  requireStrongKey(request.key);
  return request;
}

export const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));

export interface CsrParts {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly version?: Uint8Array;
  readonly subject?: Uint8Array;
  /** The attributes' whole field; `undefined` leaves it out. */
  readonly attributes?: Uint8Array | undefined;
  /** After the attributes. */
  readonly trailing?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly digest?: string | null;
}

export function rdn(id: string, value: Uint8Array): Buffer {
  return set(sequence(oid(id), value));
}

export const commonName = (text: string): Buffer => rdn("2.5.4.3", utf8String(text));

export function attributes(...contents: readonly Uint8Array[]): Buffer {
  return context(0, true, ...contents);
}

/** An extensionRequest attribute (RFC 2985 §5.4.2). */
export function extensionRequest(...extensions: readonly Uint8Array[]): Buffer {
  return sequence(oid("1.2.840.113549.1.9.14"), set(sequence(...extensions)));
}

/** A CSR (DER) with a right signature over whatever its parts are. */
export function buildCsr(parts: CsrParts): Buffer {
  const { privateKey, spki, digest = "sha256", algorithm = ecdsaWithSha256 } = parts;
  const { version = integer(0), subject = sequence(commonName("me")), trailing = Buffer.alloc(0) } = parts;
  const field = "attributes" in parts ? (parts.attributes ?? Buffer.alloc(0)) : attributes();
  const info = sequence(version, subject, spki, field, trailing);
  return signInfo(info, privateKey, algorithm, digest);
}

/** Puts a CertificationRequestInfo (DER) and a right signature over it together. */
export function signInfo(
  info: Uint8Array,
  privateKey: KeyObject,
  algorithm: Uint8Array = ecdsaWithSha256,
  digest: string | null = "sha256",
): Buffer {
  return sequence(info, algorithm, bitString(sign(digest, info, privateKey)));
}
