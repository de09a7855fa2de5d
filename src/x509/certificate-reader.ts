import { hash } from "node:crypto";
import { type Serial, parseSerial } from "../domain/identifiers.ts";
import { DerError, DerReader, tags } from "./der-reader.ts";

/** The parts of a certificate that this project compares and copies; byte fields are DER unless it says otherwise. */
export interface ParsedCertificate {
  readonly serial: Serial;
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly validity: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly extensions: readonly {
    readonly id: string;
    readonly critical: boolean;
    /** The contents of its OCTET STRING. */
    readonly value: Uint8Array;
  }[];
  /** TBSCertificate: what is signed. */
  readonly tbs: Uint8Array;
  /** The signature's octets. */
  readonly signature: Uint8Array;
}

/** Reads a version 3 certificate (RFC 5280 §4.1). Throws DerError. */
export function readCertificate(der: Uint8Array): ParsedCertificate {
  const outer = new DerReader(der);
  const certificate = outer.enter(tags.sequence);
  outer.end();
  const signed = certificate.read(tags.sequence);
  const tbs = new DerReader(signed.contents);
  const signatureAlgorithm = certificate.read(tags.sequence).encoded;
  const signature = certificate.bits();
  certificate.end();

  // Version 1 is the default, which is left out.
  const version = tbs.nextTag === 0xa0 ? tbs.enter(0xa0).integer() : [];
  if (version.length !== 1 || version[0] !== 2) throw new DerError("not a version 3 certificate");
  const serial = readSerial(tbs.integer());
  if (!Buffer.from(tbs.read(tags.sequence).encoded).equals(signatureAlgorithm)) {
    throw new DerError("two signature algorithms");
  }
  const issuer = tbs.read(tags.sequence).encoded;
  const validity = tbs.read(tags.sequence).encoded;
  const subject = tbs.read(tags.sequence).encoded;
  const spki = tbs.read(tags.sequence).encoded;
  const extensions = readExtensions(tbs.enter(0xa3).enter(tags.sequence));
  tbs.end();
  return {
    ...{ serial, signatureAlgorithm, issuer, validity, subject, spki, extensions },
    ...{ tbs: signed.encoded, signature },
  };
}

/** Positive, at most 20 octets (§4.1.2.2). */
function readSerial(contents: Uint8Array): Serial {
  if ((contents[0] ?? 0) >= 0x80) throw new DerError("negative serial");
  try {
    return parseSerial(Buffer.from(contents).toString("hex"));
  } catch {
    throw new DerError("serial is zero or too long");
  }
}

function readExtensions(reader: DerReader): ParsedCertificate["extensions"] {
  const extensions = [];
  while (!reader.atEnd) {
    const fields = reader.enter(tags.sequence);
    const id = fields.oid();
    const critical = fields.nextTag === tags.boolean;
    // FALSE is the default, which DER leaves out, and TRUE has one form.
    if (critical && !isTrue(fields.next().contents)) throw new DerError("a default that is written");
    extensions.push({ id, critical, value: fields.read(tags.octetString).contents });
    fields.end();
  }
  return extensions;
}

function isTrue(contents: Uint8Array): boolean {
  return contents.length === 1 && contents[0] === 0xff;
}

/** The leftmost 160 bits of SHA-256 over the key's bits (RFC 7093 §2, method 1). */
export function keyIdentifier(spki: Uint8Array): Buffer {
  const fields = new DerReader(spki).enter(tags.sequence);
  fields.read(tags.sequence);
  return hash("sha256", fields.bits(), "buffer").subarray(0, 20);
}
