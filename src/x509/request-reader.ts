import { type KeyObject, verify } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { sha256Hex, spkiHashOf } from "../domain/identifiers.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { type SignatureAlgorithm, algorithmNamed } from "./algorithms.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { fromPem } from "./pem.ts";
import { readPublicKey } from "./public-key.ts";

/** The largest CSR that anything here needs, an ML-DSA-87 one, has less than half of this. */
const LARGEST = 16 * 1024;

interface ParsedRequest {
  /** CertificationRequestInfo, DER: what is signed. */
  readonly info: Uint8Array;
  readonly spki: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads a CSR (RFC 2986) and proves that whoever made it holds its key.
 *
 * Of its contents, only the key is returned: names and attributes are checked for form and then forgotten.
 *
 * @param bytes PEM (one block) or DER.
 * @throws Refusal CSR_MALFORMED, CSR_SIGNATURE_INVALID, KEY_UNSUPPORTED or KEY_WEAK.
 */
export function readRequest(bytes: Uint8Array): CertificationRequest {
  const der = unwrap(bytes);
  const request = parse(der);
  const { key, keyType } = readPublicKey(request.spki);
  requirePossession(request, key, keyType);
  return { hash: sha256Hex(der), spki: request.spki, spkiHash: spkiHashOf(request.spki), keyType };
}

function unwrap(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 2 * LARGEST) throw new Refusal("CSR_MALFORMED", "The CSR is larger than 16 KiB.");
  const der =
    bytes[0] === tags.sequence
      ? bytes
      : fromPem(Buffer.from(bytes).toString("latin1"), ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]);
  if (!der) throw new Refusal("CSR_MALFORMED");
  if (der.length > LARGEST) throw new Refusal("CSR_MALFORMED", "The CSR is larger than 16 KiB.");
  return der;
}

function parse(der: Uint8Array): ParsedRequest {
  try {
    requireDer(der);
    const outer = new DerReader(der);
    const request = outer.enter(tags.sequence);
    outer.end();
    const info = request.read(tags.sequence);
    const algorithm = request.read(tags.sequence).encoded;
    const signature = request.bits();
    request.end();
    return { info: info.encoded, spki: parseInfo(info.contents), algorithm, signature };
  } catch (error) {
    if (error instanceof DerError) throw new Refusal("CSR_MALFORMED", undefined, error.message);
    throw error;
  }
}

/** CertificationRequestInfo ::= SEQUENCE { version 0, subject Name, subjectPKInfo, attributes [0] } */
function parseInfo(contents: Uint8Array): Uint8Array {
  const info = new DerReader(contents);
  const version = info.integer();
  if (version.length !== 1 || version[0] !== 0) throw new DerError("version is not 0");
  parseName(info.enter(tags.sequence));
  const spki = info.read(tags.sequence).encoded;
  // RFC 2986 has the attributes always there, even if empty; old tools leave them out.
  if (!info.atEnd) parseAttributes(info.enter(0xa0));
  info.end();
  return spki;
}

/** DirectoryString and IA5String (RFC 5280 §4.1.2.4, §4.1.2.6), and NumericString. */
const nameStrings: readonly number[] = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e];

function parseName(name: DerReader): void {
  while (!name.atEnd) {
    const rdn = name.enter(tags.set);
    do {
      const attribute = rdn.enter(tags.sequence);
      attribute.oid();
      if (!nameStrings.includes(attribute.next().tag)) throw new DerError("a name that is not a string");
      attribute.end();
    } while (!rdn.atEnd);
  }
}

function parseAttributes(attributes: DerReader): void {
  while (!attributes.atEnd) {
    const attribute = attributes.enter(tags.sequence);
    attribute.oid();
    if (attribute.enter(tags.set).atEnd) throw new DerError("attribute without a value");
    attribute.end();
  }
}

function requirePossession(request: ParsedRequest, key: KeyObject, keyType: string): void {
  const algorithm: SignatureAlgorithm | undefined = algorithmNamed(request.algorithm);
  if (!algorithm || !keyType.startsWith(algorithm.family)) {
    throw new Refusal(
      "CSR_SIGNATURE_INVALID",
      "The CSR is signed with an algorithm that is not taken here. Sign with SHA-256, SHA-384 or SHA-512.",
    );
  }
  if (!isValid(algorithm, request, key)) throw new Refusal("CSR_SIGNATURE_INVALID");
}

function isValid(algorithm: SignatureAlgorithm, request: ParsedRequest, key: KeyObject): boolean {
  try {
    return verify(algorithm.digest, request.info, key, request.signature);
  } catch {
    return false;
  }
}
