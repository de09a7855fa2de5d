import { X509Certificate, verify } from "node:crypto";
import type { Issuer, LeafTemplate } from "../domain/ports.ts";
import { leafPurposeIds } from "../domain/profile.ts";
import { algorithmFor } from "./algorithms.ts";
import { keyIdentifier } from "./certificate-reader.ts";
import { extensionIds as ids, keyUsageBits } from "./extensions.ts";
import { addressFrom, addressOctets } from "./ip-address.ts";
import { type LeafFields, readLeaf } from "./leaf-reader.ts";
import { issuerUrls } from "./leaf-writer.ts";

/**
 * Reads a leaf that was just signed again, and compares it with what was meant. Two readers look: ours at every field,
 * Node's for what TLS will make of it.
 *
 * @param der what the signer made
 * @returns the names of what differs; it must not be released unless there are none.
 */
export function compareLeaf(der: Uint8Array, issuer: Issuer, template: LeafTemplate): string[] {
  let leaf: LeafFields;
  let node: X509Certificate;
  try {
    leaf = readLeaf(der);
    node = new X509Certificate(der);
  } catch (error) {
    return [`form (${String(error)})`];
  }
  const checks = { ...byOurReader(leaf, issuer, template), ...byNode(node, leaf, issuer, template) };
  return Object.keys(checks).filter((name) => checks[name] !== true);
}

type Checks = Readonly<Record<string, boolean>>;

function byOurReader(leaf: LeafFields, issuer: Issuer, template: LeafTemplate): Checks {
  const urls = template.publicUrl === undefined ? undefined : issuerUrls(template.publicUrl, issuer.id);
  return {
    serial: leaf.serial === template.serial,
    "signature algorithm": equal(leaf.signatureAlgorithm, algorithmFor(issuer.signer.keyType).identifier),
    issuer: equal(leaf.issuer, issuer.subject),
    notBefore: leaf.notBefore === template.notBefore,
    notAfter: leaf.notAfter === template.notAfter,
    "issuer's end": leaf.notAfter <= issuer.notAfter,
    subject: leaf.commonName === template.commonName,
    key: equal(leaf.spki, template.spki),
    extensions: leaf.extensions.join() === expectedExtensions(template).join(),
    "key usage": leaf.keyUsage === template.keyUsage.reduce((bits, usage) => bits | keyUsageBits[usage], 0),
    "extended key usage": same(leaf.extendedKeyUsage, purposesOf(template)),
    uris: same(leaf.uris, template.uris),
    "DNS names": same(leaf.dnsNames, template.dnsNames),
    addresses: same(leaf.addresses, template.addresses.map(canonicalAddress)),
    "subject key identifier": equal(leaf.subjectKeyId, keyIdentifier(template.spki)),
    "authority key identifier": Buffer.from(leaf.authorityKeyId).toString("hex") === issuer.id,
    "CRL URL": same(leaf.crlUrls, urls ? [urls.crl] : []),
    "access URLs": same(
      leaf.access,
      urls ? [`1.3.6.1.5.5.7.48.1 ${urls.ocsp}`, `1.3.6.1.5.5.7.48.2 ${urls.caIssuers}`] : [],
    ),
  };
}

function byNode(node: X509Certificate, leaf: LeafFields, issuer: Issuer, template: LeafTemplate): Checks {
  const certificate = nodeCertificate(issuer);
  const { digest } = algorithmFor(issuer.signer.keyType);
  return {
    "Node: serial": node.serialNumber.replace(/^0+/, "").toLowerCase() === template.serial,
    "Node: subject": node.subject === `CN=${template.commonName}`,
    "Node: notBefore": node.validFromDate.getTime() === template.notBefore,
    "Node: notAfter": node.validToDate.getTime() === template.notAfter,
    "Node: basic constraints": !node.ca,
    "Node: extended key usage": same(node.keyUsage, purposesOf(template)),
    "Node: issuer": node.checkIssued(certificate),
    signature: verify(digest, leaf.tbs, certificate.publicKey, leaf.signature),
  };
}

/** All of these and nothing else, in the order in which they are written. */
function expectedExtensions(template: LeafTemplate): string[] {
  const { uris, dnsNames, addresses, publicUrl } = template;
  return [
    `${ids.basicConstraints}!`,
    `${ids.keyUsage}!`,
    ids.extendedKeyUsage,
    ...(template.extendedKeyUsage.includes("OCSPSigning") ? [ids.ocspNoCheck] : []),
    ...(uris.length + dnsNames.length + addresses.length > 0 ? [ids.subjectAltName] : []),
    ids.subjectKeyIdentifier,
    ids.authorityKeyIdentifier,
    ...(publicUrl === undefined ? [] : [ids.crlDistributionPoints, ids.authorityInfoAccess]),
  ];
}

function purposesOf(template: LeafTemplate): string[] {
  return template.extendedKeyUsage.map((purpose) => leafPurposeIds[purpose]);
}

function canonicalAddress(address: string): string {
  return addressFrom(addressOctets(address));
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** Of what was read, and what was meant. Lists of names have no separator within. */
function same(read: readonly string[] | undefined, meant: readonly string[]): boolean {
  return read?.length === meant.length && read.every((item, index) => item === meant[index]);
}

const nodeCertificates = new WeakMap<Issuer, X509Certificate>();

/** An issuer's certificate, opened once. */
function nodeCertificate(issuer: Issuer): X509Certificate {
  const known = nodeCertificates.get(issuer) ?? new X509Certificate(issuer.der);
  nodeCertificates.set(issuer, known);
  return known;
}
