import { X509Certificate, hash, verify } from "node:crypto";
import type { Serial } from "../../src/domain/identifiers.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import { algorithmNamed } from "../../src/x509/algorithms.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { DerReader, tags } from "../../src/x509/der-reader.ts";
import {
  bitString,
  context,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
} from "../../src/x509/der-writer.ts";

// OCSP as a client writes and reads it (RFC 6960 §4), with every part to be written in another way.

export const none: Buffer = Buffer.alloc(0);
export const hashIds = {
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
  sha512: "2.16.840.1.101.3.4.2.3",
};

/** Whoever issued what is asked about; the key is its SubjectPublicKeyInfo. */
export type Named = Pick<Issuer, "subject"> & { readonly signer: { readonly spki: Uint8Array } };

export function named(der: Uint8Array): Named {
  const { subject, spki } = readCertificate(der);
  return { subject, signer: { spki } };
}

export function certId(
  issuer: Named,
  serial: Serial | string,
  how: { algorithm?: keyof typeof hashIds; parameters?: Buffer; serial?: Buffer } = {},
): Buffer {
  const { algorithm = "sha1", parameters = nothing() } = how;
  const key = new DerReader(issuer.signer.spki).enter(tags.sequence);
  key.read(tags.sequence);
  return sequence(
    sequence(oid(hashIds[algorithm]), parameters),
    octetString(hash(algorithm, issuer.subject, "buffer")),
    octetString(hash(algorithm, key.bits(), "buffer")),
    how.serial ?? integer(serial),
  );
}

export function extension(id: string, value: Buffer, critical: Buffer = none): Buffer {
  return sequence(oid(id), critical, octetString(value));
}

const NONCE = "1.3.6.1.5.5.7.48.1.2";
export const nonceOf = (octets: Uint8Array, critical?: Buffer): Buffer =>
  extension(NONCE, octetString(octets), critical);

export const extensions = (tag: number, ...list: readonly Buffer[]): Buffer =>
  context(tag, true, sequence(...list));

export interface RequestParts {
  readonly version?: Buffer;
  readonly requestorName?: Buffer;
  /** Request ::= SEQUENCE { CertID, [0] … } */
  readonly list?: readonly Buffer[];
  readonly requestExtensions?: Buffer;
  readonly afterTbs?: Buffer;
  readonly signature?: Buffer;
}

export function requestOf(certIds: readonly Buffer[], parts: RequestParts = {}): Buffer {
  const { version = none, requestorName = none, requestExtensions = none, afterTbs = none } = parts;
  const list = sequence(...(parts.list ?? certIds.map((id) => sequence(id))));
  const tbs = sequence(version, requestorName, list, requestExtensions, afterTbs);
  return sequence(tbs, parts.signature ?? none);
}

export const someSignature = (...after: readonly Buffer[]): Buffer =>
  context(0, true, sequence(sequence(oid("1.2.840.10045.4.3.2")), bitString(Buffer.alloc(8, 1)), ...after));

export interface ReadSingle {
  readonly certId: string;
  readonly status: "good" | "unknown" | { readonly at: string; readonly reason: number | undefined };
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

export interface ReadAnswer {
  /** OCSPResponseStatus; 0 is successful. */
  readonly status: number;
  readonly singles: readonly ReadSingle[];
  readonly producedAt: number;
  /** Hex. */
  readonly nonce: string | undefined;
  readonly keyHash: string;
  /** Who signed, DER. */
  readonly certificate: Uint8Array;
  readonly isSigned: boolean;
}

/** Reads an OCSPResponse strictly; of a failure, the status alone. */
export function readAnswer(der: Uint8Array): ReadAnswer | { readonly status: number } {
  const outer = new DerReader(der);
  const response = outer.enter(tags.sequence);
  outer.end();
  const status = response.read(tags.enumerated).contents[0] ?? -1;
  if (response.atEnd) return { status };
  const bytes = response.enter(0xa0).enter(tags.sequence);
  response.end();
  if (bytes.oid() !== "1.3.6.1.5.5.7.48.1.1") throw new Error("not a basic response");
  const basic = new DerReader(bytes.read(tags.octetString).contents).enter(tags.sequence);
  bytes.end();
  const data = basic.read(tags.sequence);
  const algorithm = algorithmNamed(basic.read(tags.sequence).encoded);
  const signature = basic.bits();
  const certificate = basic.enter(0xa0).enter(tags.sequence).read(tags.sequence).encoded;
  basic.end();
  const { publicKey } = new X509Certificate(certificate);
  const isSigned = algorithm !== undefined && verify(algorithm.digest, data.encoded, publicKey, signature);
  return { status, ...readData(new DerReader(data.contents)), certificate, isSigned };
}

/** The same of an answer that is one. */
export function readSigned(der: Uint8Array): ReadAnswer {
  const answer = readAnswer(der);
  if (!("singles" in answer)) throw new Error(`no answer, but status ${String(answer.status)}`);
  return answer;
}

function readData(data: DerReader): Pick<ReadAnswer, "singles" | "producedAt" | "nonce" | "keyHash"> {
  const keyHash = Buffer.from(data.enter(0xa2).read(tags.octetString).contents).toString("hex");
  const producedAt = time(data);
  const list = data.enter(tags.sequence);
  const singles: ReadSingle[] = [];
  while (!list.atEnd) singles.push(readSingle(list.enter(tags.sequence)));
  let nonce: string | undefined;
  if (!data.atEnd) {
    const fields = data.enter(0xa1).enter(tags.sequence).enter(tags.sequence);
    if (fields.oid() !== NONCE) throw new Error("another extension");
    const value = new DerReader(fields.read(tags.octetString).contents);
    nonce = Buffer.from(value.read(tags.octetString).contents).toString("hex");
  }
  data.end();
  return { singles, producedAt, nonce, keyHash };
}

function readSingle(single: DerReader): ReadSingle {
  const id = Buffer.from(single.read(tags.sequence).encoded).toString("hex");
  const status = readStatus(single);
  const thisUpdate = time(single);
  const nextUpdate = time(single.enter(0xa0));
  single.end();
  return { certId: id, status, thisUpdate, nextUpdate };
}

function readStatus(single: DerReader): ReadSingle["status"] {
  const { tag, contents } = single.next();
  if (tag === 0x80 && contents.length === 0) return "good";
  if (tag === 0x82 && contents.length === 0) return "unknown";
  if (tag !== 0xa1) throw new Error("no such status");
  const revoked = new DerReader(contents);
  const at = new Date(time(revoked)).toISOString();
  const reason = revoked.atEnd ? undefined : revoked.enter(0xa0).read(tags.enumerated).contents[0];
  revoked.end();
  return { at, reason };
}

function time(reader: DerReader): number {
  const text = Buffer.from(reader.read(tags.generalizedTime).contents).toString("latin1");
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const read = Date.parse(iso);
  if (Number.isNaN(read)) throw new Error(`not a time: ${text}`);
  return read;
}
