import { X509Certificate } from "node:crypto";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Issuer, LeafTemplate } from "../domain/ports.ts";
import { purposeIds } from "../domain/profile.ts";
import { algorithmFor } from "./algorithms.ts";
import { keyIdentifier, readCertificate } from "./certificate-reader.ts";
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  crlDistributionPoint,
  digitalSignatureUsage,
  endEntityConstraints,
  extendedKeyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "./extensions.ts";
import { bitString, context, integer, oid, sequence, set, time, utf8String } from "./der-writer.ts";

/** Where others find an issuer's CRL, OCSP responder and certificate: plain HTTP (RFC 5280 §8). */
export function issuerUrls(
  publicUrl: string,
  id: IssuerId,
): { readonly crl: string; readonly ocsp: string; readonly caIssuers: string } {
  return {
    crl: `${publicUrl}/crl/${id}.crl`,
    ocsp: `${publicUrl}/ocsp`,
    caIssuers: `${publicUrl}/issuers/${id}.crt`,
  };
}

/**
 * Signs a leaf, reads the result again, and compares it with the template.
 *
 * @returns the certificate, DER.
 * @throws Error when the result is not what was meant; it must not be released then.
 */
export async function signLeaf(issuer: Issuer, template: LeafTemplate): Promise<Uint8Array> {
  const { identifier } = algorithmFor(issuer.signer.keyType);
  const extensions = leafExtensions(issuer, template);
  const tbs = sequence(
    context(0, true, integer(2)),
    integer(template.serial),
    identifier,
    issuer.subject,
    validity(template),
    commonName(template.commonName),
    template.spki,
    context(3, true, sequence(...extensions)),
  );
  const signature = await issuer.signer.sign(tbs);
  const der = sequence(tbs, identifier, bitString(signature));
  requireAsMeant(der, issuer, template, extensions);
  return der;
}

function leafExtensions(issuer: Issuer, template: LeafTemplate): Buffer[] {
  const extensions = [
    endEntityConstraints(),
    digitalSignatureUsage(),
    extendedKeyUsage(template.extendedKeyUsage),
    subjectAltName(template),
    subjectKeyIdentifier(keyIdentifier(template.spki)),
    authorityKeyIdentifier(issuer.id),
  ];
  if (template.publicUrl !== undefined) {
    const urls = issuerUrls(template.publicUrl, issuer.id);
    extensions.push(crlDistributionPoint(urls.crl), authorityInfoAccess(urls));
  }
  return extensions;
}

function validity(template: LeafTemplate): Buffer {
  return sequence(time(template.notBefore), time(template.notAfter));
}

function commonName(text: string): Buffer {
  return sequence(set(sequence(oid("2.5.4.3"), utf8String(text))));
}

/** Two readers look at what was signed: ours for the bytes, Node's for what TLS will make of them. */
function requireAsMeant(
  der: Uint8Array,
  issuer: Issuer,
  template: LeafTemplate,
  extensions: readonly Buffer[],
): void {
  const parsed = readCertificate(der);
  const node = new X509Certificate(der);
  const issuerNode = nodeCertificate(issuer);
  const purposes = template.extendedKeyUsage.map((purpose) => purposeIds[purpose]);
  const checks: Readonly<Record<string, boolean>> = {
    serial: parsed.serial === template.serial,
    issuer: Buffer.from(parsed.issuer).equals(issuer.subject),
    subject: node.subject === `CN=${template.commonName}`,
    key: Buffer.from(parsed.spki).equals(template.spki),
    notBefore: node.validFromDate.getTime() === template.notBefore,
    notAfter: node.validToDate.getTime() === template.notAfter,
    "basic constraints": !node.ca,
    "extended key usage": purposes.join() === (node.keyUsage as string[] | undefined)?.join(),
    extensions: Buffer.concat(parsed.extensions.map(({ encoded }) => encoded)).equals(
      Buffer.concat(extensions),
    ),
    signature: node.verify(issuerNode.publicKey) && node.checkIssued(issuerNode),
  };
  const wrong = Object.keys(checks).filter((name) => checks[name] !== true);
  if (wrong.length > 0) throw new Error(`a signed certificate is not what was meant: ${wrong.join(", ")}`);
}

const nodeCertificates = new WeakMap<Issuer, X509Certificate>();

/** An issuer's certificate, opened once. */
function nodeCertificate(issuer: Issuer): X509Certificate {
  const known = nodeCertificates.get(issuer) ?? new X509Certificate(issuer.der);
  nodeCertificates.set(issuer, known);
  return known;
}
