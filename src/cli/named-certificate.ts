import { X509Certificate } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { fingerprintOf, parseCertificateId } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";
import { CLIENT_AUTH, isSignedBy } from "../enforce/presented-certificate.ts";
import { readInput } from "../home/files.ts";
import type { CertificateInQuestion } from "../services/explain.ts";
import { type CertificateId, findCertificate } from "../services/find-certificate.ts";

/** Reads a SERIAL|FINGERPRINT|FILE argument. Throws FILE_UNREADABLE, ID_MALFORMED. */
export function namedCertificate(text: string): CertificateId {
  return parseCertificateId(text) ?? { fingerprint: fingerprintOf(readCertificateFile(text).raw) };
}

/** The first certificate of a PEM or DER file. */
export function readCertificateFile(path: string): X509Certificate {
  const bytes = readInput(path);
  try {
    return new X509Certificate(bytes);
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${path} is not a certificate.`, String(error));
  }
}

/**
 * What `why` asks about: what is on record by that name, or a file's certificate as a handshake would find it.
 *
 * @throws Refusal NOT_FOUND for a serial or a fingerprint that is not on record.
 */
export async function certificateInQuestion(stores: Stores, text: string): Promise<CertificateInQuestion> {
  const id = parseCertificateId(text);
  if (id) return describeLeaf(stores, new X509Certificate((await findCertificate(stores, id)).der));
  return describeLeaf(stores, readCertificateFile(text));
}

async function describeLeaf(stores: Stores, leaf: X509Certificate): Promise<CertificateInQuestion> {
  const issuers = (await stores.issuers.list()).map(({ der }) => new X509Certificate(der));
  return {
    fingerprint: fingerprintOf(leaf.raw),
    isSignedByUs: issuers.some((issuer) => isSignedBy(leaf, issuer)),
    isCa: leaf.ca,
    clientAuth: (leaf.keyUsage as string[] | undefined)?.includes(CLIENT_AUTH) ?? false,
  };
}
