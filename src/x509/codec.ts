import { X509Certificate } from "node:crypto";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import type { Codec, Issuer, Signer } from "../domain/ports.ts";
import { readCertificate } from "./certificate-reader.ts";
import { signCrl } from "./crl-writer.ts";
import { DerError, DerReader, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { compareLeaf } from "./leaf-comparison.ts";
import { signLeaf } from "./leaf-writer.ts";
import { ocspIssuerNames } from "./ocsp-names.ts";
import { readOcspRequest } from "./ocsp-reader.ts";
import { ocspFailure, signOcspAnswers } from "./ocsp-writer.ts";
import { toPem } from "./pem.ts";
import { verifyPossession } from "./request-proof.ts";
import { parseRequest } from "./request-reader.ts";
import { requestedNames } from "./requested-names.ts";
import { certificateNames, keepsNames } from "./same-names.ts";

export const codec: Codec = {
  ...{ parseRequest, verifyPossession, requestedNames, keepsNames, certificateNames },
  ...{ signLeaf, compareLeaf, signCrl },
  ...{ readOcspRequest, ocspIssuerNames, signOcspAnswers, ocspFailure },
  toPem: (der) => toPem("CERTIFICATE", der),
};

/** How an issuer with this certificate (DER) is named: its subject key identifier, as the certificate has it. */
export function issuerIdOf(der: Uint8Array): IssuerId {
  const { extensions } = readCertificate(der);
  const extension = extensions.find(({ id }) => id === extensionIds.subjectKeyIdentifier);
  if (!extension) throw new DerError("a CA certificate without subject key identifier");
  const keyId = new DerReader(extension.value).read(tags.octetString).contents;
  return parseIssuerId(Buffer.from(keyId).toString("hex"));
}

/** Puts a CA certificate (DER) and its signer together. Throws when the key is not the certificate's. */
export function issuerFrom(der: Uint8Array, signer: Signer): Issuer {
  const certificate = new X509Certificate(der);
  if (!certificate.ca) throw new Error("not a CA certificate");
  const { spki, subject } = readCertificate(der);
  if (!Buffer.from(spki).equals(signer.spki)) throw new Error("the key does not belong to the certificate");
  const notBefore = certificate.validFromDate.getTime();
  const notAfter = certificate.validToDate.getTime();
  return { id: issuerIdOf(der), der, subject, notBefore, notAfter, signer };
}
