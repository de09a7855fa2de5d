import { Refusal } from "../domain/errors.ts";
import { sha256Hex, spkiHashOf } from "../domain/identifiers.ts";
import { identifyKey } from "../domain/key-policy.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { fromPem } from "./pem.ts";
import { readPublicKey } from "./public-key.ts";

/** The largest CSR that anything here needs, an ML-DSA-87 one, has less than half of this. */
const LARGEST = 16 * 1024;
const MOST_ATTRIBUTES = 16;
const MOST_NAMES = 64;

/**
 * Reads a CSR (RFC 2986) strictly: DER, version 0, nothing left over, everything bounded. Names and attributes are
 * checked for form; whether the signature is the key's is for `verifyPossession` to say.
 *
 * @param bytes PEM (one block) or DER.
 * @throws Refusal CSR_MALFORMED, KEY_UNSUPPORTED or KEY_WEAK.
 */
export function parseRequest(bytes: Uint8Array): CertificationRequest {
  const der = unwrap(bytes);
  try {
    return parse(der);
  } catch (error) {
    if (error instanceof DerError) throw new Refusal("CSR_MALFORMED", undefined, error.message);
    throw error;
  }
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

/** CertificationRequest ::= SEQUENCE { certificationRequestInfo, signatureAlgorithm, signature BIT STRING } */
function parse(der: Uint8Array): CertificationRequest {
  requireDer(der);
  const outer = new DerReader(der);
  const request = outer.enter(tags.sequence);
  outer.end();
  const info = request.read(tags.sequence);
  const algorithm = request.read(tags.sequence).encoded;
  const signature = request.bits();
  request.end();
  const { spki, attributes } = parseInfo(info.contents);
  const key = readPublicKey(spki);
  return {
    hash: sha256Hex(der),
    spki,
    spkiHash: spkiHashOf(spki),
    key,
    keyType: identifyKey(key),
    proof: { info: info.encoded, algorithm, signature },
    attributes,
  };
}

/** CertificationRequestInfo ::= SEQUENCE { version 0, subject Name, subjectPKInfo, attributes [0] } */
function parseInfo(contents: Uint8Array): { spki: Uint8Array; attributes: Uint8Array } {
  const info = new DerReader(contents);
  const version = info.integer();
  if (version.length !== 1 || version[0] !== 0) throw new DerError("version is not 0");
  parseName(info.enter(tags.sequence));
  const spki = info.read(tags.sequence).encoded;
  // RFC 2986 has the attributes always there, even if empty; old tools leave them out.
  const attributes = info.atEnd ? new Uint8Array() : info.read(0xa0).contents;
  parseAttributes(new DerReader(attributes));
  info.end();
  return { spki, attributes };
}

/** DirectoryString and IA5String (RFC 5280 §4.1.2.4, §4.1.2.6), and NumericString. */
const nameStrings: readonly number[] = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e];

function parseName(name: DerReader): void {
  let count = 0;
  while (!name.atEnd) {
    const rdn = name.enter(tags.set);
    do {
      if (++count > MOST_NAMES) throw new DerError("too many names");
      const attribute = rdn.enter(tags.sequence);
      attribute.read(tags.oid);
      if (!nameStrings.includes(attribute.next().tag)) throw new DerError("a name that is not a string");
      attribute.end();
    } while (!rdn.atEnd);
  }
}

function parseAttributes(attributes: DerReader): void {
  let count = 0;
  while (!attributes.atEnd) {
    if (++count > MOST_ATTRIBUTES) throw new DerError("too many attributes");
    const attribute = attributes.enter(tags.sequence);
    attribute.read(tags.oid);
    if (attribute.enter(tags.set).atEnd) throw new DerError("attribute without a value");
    attribute.end();
  }
}
