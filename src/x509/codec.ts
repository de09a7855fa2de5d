import { X509Certificate } from "node:crypto";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import type { Codec, Issuer, Signer } from "../domain/ports.ts";
import { keyIdentifier, readCertificate } from "./certificate-reader.ts";
import { signCrl } from "./crl-writer.ts";
import { signLeaf } from "./leaf-writer.ts";
import { readRequest } from "./request-reader.ts";

export const codec: Codec = { readRequest, signLeaf, signCrl };

/** How an issuer with this certificate (DER) is named: its subject key identifier. */
export function issuerIdOf(der: Uint8Array): IssuerId {
  return parseIssuerId(keyIdentifier(readCertificate(der).spki).toString("hex"));
}

/** Puts a CA certificate (DER) and its signer together. Throws when the key is not the certificate's. */
export function issuerFrom(der: Uint8Array, signer: Signer): Issuer {
  const certificate = new X509Certificate(der);
  if (!certificate.ca) throw new Error("not a CA certificate");
  if (!Buffer.from(readCertificate(der).spki).equals(signer.spki)) {
    throw new Error("the key does not belong to the certificate");
  }
  return { id: issuerIdOf(der), der, notAfter: certificate.validToDate.getTime(), signer };
}
