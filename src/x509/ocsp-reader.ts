import { parseSerial } from "../domain/identifiers.ts";
import type { CertId, OcspRequest } from "../domain/ocsp.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { certIdHashes, issuerName } from "./ocsp-names.ts";

const MOST_CERTIFICATES = 32;
/** RFC 9654 §2.1. */
const LONGEST_NONCE = 128;

/** Reads an OCSPRequest (RFC 6960 §4.1); `undefined` for whatever is none, or asks for more than is done here. */
export function readOcspRequest(bytes: Uint8Array): OcspRequest | undefined {
  try {
    return readRequest(bytes);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function readRequest(bytes: Uint8Array): OcspRequest {
  const outer = new DerReader(bytes);
  const request = outer.enter(tags.sequence);
  outer.end();
  const tbs = request.enter(tags.sequence);
  if (!request.atEnd) checkSignature(request.enter(0xa0));
  request.end();

  // version [0] is v1, which DER leaves out: whatever is written there is not for us.
  if (tbs.nextTag === 0xa1) skipName(tbs.enter(0xa1));
  const certIds = readList(tbs.enter(tags.sequence));
  const nonce = tbs.atEnd ? undefined : readExtensions(tbs.enter(0xa2));
  tbs.end();
  return { certIds, nonce };
}

/** requestorName: everybody is answered. */
function skipName(explicit: DerReader): void {
  requireDer(explicit.next().encoded);
  explicit.end();
}

function readList(list: DerReader): CertId[] {
  const certIds: CertId[] = [];
  while (!list.atEnd) {
    if (certIds.length === MOST_CERTIFICATES) throw new DerError("too many certificates");
    const request = list.enter(tags.sequence);
    certIds.push(readCertId(request));
    if (!request.atEnd) readExtensions(request.enter(0xa0));
    request.end();
  }
  if (certIds.length === 0) throw new DerError("no certificate");
  return certIds;
}

function readCertId(request: DerReader): CertId {
  const { encoded, contents } = request.read(tags.sequence);
  const fields = new DerReader(contents);
  const algorithm = readAlgorithm(fields.enter(tags.sequence));
  const nameHash = fields.read(tags.octetString).contents;
  const keyHash = fields.read(tags.octetString).contents;
  const serial = serialFrom(fields.integer());
  fields.end();
  const known = certIdHashes.get(algorithm);
  if (!known) return { encoded, issuer: algorithm, serial };
  if (nameHash.length !== known.size || keyHash.length !== known.size) throw new DerError("no such hash");
  return { encoded, issuer: issuerName(known.name, nameHash, keyHash), serial };
}

/** Parameters are absent or NULL for the algorithms that are known here (RFC 5754 §2); others may have any. */
function readAlgorithm(fields: DerReader): string {
  const algorithm = fields.oid();
  if (fields.atEnd) return algorithm;
  const parameters = fields.next();
  fields.end();
  const isNull = parameters.tag === tags.null && parameters.contents.length === 0;
  if (certIdHashes.has(algorithm) && !isNull) throw new DerError("parameters of a hash");
  requireDer(parameters.encoded);
  return algorithm;
}

/** Any number may be asked about; negative ones, zero and those of more than 20 octets were never issued. */
function serialFrom(contents: Uint8Array): CertId["serial"] {
  const [first = 0] = contents;
  if (first >= 0x80 || contents.length > 20 || (first === 0 && contents.length === 1)) return undefined;
  const octets = Buffer.from(contents.buffer, contents.byteOffset, contents.length);
  return parseSerial(octets.toString("hex"));
}

/** Returns the nonce. What is not understood is skipped, unless it is critical (RFC 6960 §4.4). */
function readExtensions(explicit: DerReader): Uint8Array | undefined {
  const list = explicit.enter(tags.sequence);
  explicit.end();
  const seen = new Set<string>();
  let nonce: Uint8Array | undefined;
  while (!list.atEnd) {
    const fields = list.enter(tags.sequence);
    const id = fields.oid();
    if (seen.has(id)) throw new DerError("an extension twice");
    seen.add(id);
    const isCritical = fields.nextTag === tags.boolean;
    if (isCritical && !isTrue(fields.next().contents)) throw new DerError("a default that is written");
    const value = fields.read(tags.octetString).contents;
    fields.end();
    if (id === extensionIds.ocspNonce) nonce = readNonce(value);
    else if (isCritical) throw new DerError("a critical extension that is not known here");
  }
  if (seen.size === 0) throw new DerError("no extension");
  return nonce;
}

function isTrue(contents: Uint8Array): boolean {
  return contents.length === 1 && contents[0] === 0xff;
}

/** An OCTET STRING within the extension's own; other lengths are malformed (RFC 9654 §2.1). */
function readNonce(value: Uint8Array): Uint8Array {
  const outer = new DerReader(value);
  const { contents } = outer.read(tags.octetString);
  outer.end();
  if (contents.length < 1 || contents.length > LONGEST_NONCE) throw new DerError("a nonce of that length");
  return contents;
}

/** Signature [0]: it must be one, and is not verified, for nobody needs leave to ask (RFC 6960 §4.1.2). */
function checkSignature(explicit: DerReader): void {
  const signature = explicit.enter(tags.sequence);
  explicit.end();
  requireDer(signature.read(tags.sequence).encoded);
  requireDer(signature.read(tags.bitString).encoded);
  if (!signature.atEnd) {
    const certificates = signature.enter(0xa0);
    requireDer(certificates.read(tags.sequence).encoded);
    certificates.end();
  }
  signature.end();
}
