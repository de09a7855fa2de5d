import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import type { PresentedCertificate } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import { type CertificateId, fingerprintOf, parseCertificateId } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";
import { describeLeaf, isSignedBy } from "../enforce/presented-certificate.ts";
import { readInput } from "../files/files.ts";
import { findCertificate } from "../services/find-certificate.ts";

/** Reads a SERIAL|FINGERPRINT|FILE argument. Throws FILE_UNREADABLE, ID_MALFORMED. */
export function namedCertificate(text: string): CertificateId {
  return parseCertificateId(text) ?? { fingerprint: fingerprintOf(readCertificateFile(text).raw) };
}

/** The first certificate of a PEM or DER file. */
function readCertificateFile(path: string): X509Certificate {
  if (!existsSync(path)) {
    throw new Refusal("FILE_UNREADABLE", `'${path}' is no fingerprint, no serial number, and no file.`);
  }
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
 * @param foreign the certificates of CAs that are trusted beside our own
 * @throws Refusal NOT_FOUND for a serial or a fingerprint that is not on record.
 */
export async function certificateInQuestion(
  stores: Stores,
  text: string,
  foreign: readonly X509Certificate[] = [],
): Promise<PresentedCertificate> {
  const id = parseCertificateId(text);
  const leaf = id ? new X509Certificate((await findCertificate(stores, id)).der) : readCertificateFile(text);
  const own = (await stores.issuers.list()).map(({ der }) => new X509Certificate(der));
  const issuers = [...own, ...foreign];
  if (!issuers.some((issuer) => isSignedBy(leaf, issuer))) return describeLeaf(leaf, "other", () => false);
  const described = describeLeaf(leaf, undefined, () => true);
  return described.clientAuth ? described : describeLeaf(leaf, "purpose", () => true);
}
