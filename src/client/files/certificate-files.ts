import { type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { Refusal } from "../../domain/errors.ts";
import { type Fingerprint, fingerprintOf } from "../../domain/identifiers.ts";
import { renewalDue } from "../../domain/renewal.ts";
import type { Validity } from "../../domain/profile.ts";
import type { Instant } from "../../domain/time.ts";
import { readInput } from "../../files/files.ts";

/** Where a client's credential is: private key, certificate with its issuing CA, root; all PEM. */
export interface ClientFiles {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** A client's certificate as its file holds it. */
export interface ClientCertificate extends Validity {
  readonly leaf: X509Certificate;
  readonly fingerprint: Fingerprint;
  readonly dueAt: Instant;
  /** The whole chain, PEM. */
  readonly pem: string;
}

/** The files themselves where these are links to them: what is beside one has to be beside it under each of its names. */
export function resolveFiles({ key, cert, ca }: ClientFiles): ClientFiles {
  const real = (path: string): string => (existsSync(path) ? realpathSync(path) : path);
  return { key: real(key), cert: real(cert), ca };
}

/** Reads a client's certificate. Throws FILE_UNREADABLE. */
export function readCertificate(path: string): ClientCertificate {
  requireEnrolled(path);
  const [leaf, ...rest] = readCertificates(path);
  if (!leaf) throw new Refusal("FILE_UNREADABLE", `${path} is not a certificate in PEM.`);
  return clientCertificate(leaf, pemOf(leaf, rest));
}

/** Says of a certificate that is not there what to do. Throws FILE_UNREADABLE. */
export function requireEnrolled(path: string): void {
  if (!existsSync(path))
    throw new Refusal("FILE_UNREADABLE", `There is no ${path}: enrol first, or say where it is.`);
}

/** Reads the CA's root, or several. Throws FILE_UNREADABLE. */
export function readRoots(path: string): readonly X509Certificate[] {
  const roots = readCertificates(path);
  if (roots.length === 0) throw new Refusal("FILE_UNREADABLE", `${path} is not a CA certificate in PEM.`);
  return roots;
}

function readCertificates(path: string): X509Certificate[] {
  return certificatesIn(readInput(path).toString("latin1"));
}

/** @param pem the whole chain */
export function clientCertificate(leaf: X509Certificate, pem: string): ClientCertificate {
  const validity = { notBefore: leaf.validFromDate.getTime(), notAfter: leaf.validToDate.getTime() };
  const fingerprint = fingerprintOf(leaf.raw);
  return { leaf, fingerprint, ...validity, dueAt: renewalDue(fingerprint, validity), pem };
}

function pemOf(leaf: X509Certificate, rest: readonly X509Certificate[]): string {
  return [leaf, ...rest].map(String).join("");
}

/** The certificates of a PEM text; none, if one of them is none. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

/**
 * Takes a renewal's answer: a chain that leads to a root of ours, and names whom the certificate before named.
 *
 * @throws Refusal SERVER_UNTRUSTED
 */
export function successorFrom(
  chain: string,
  before: ClientCertificate,
  roots: readonly X509Certificate[],
): ClientCertificate {
  const [leaf, ...rest] = certificatesIn(chain);
  if (!leaf || !leadsToRoot(leaf, rest, roots)) {
    throw new Refusal(
      "SERVER_UNTRUSTED",
      "The CA's certificate does not lead to the root that is trusted here.",
    );
  }
  // A profile that was changed meanwhile may alter the one or the other.
  const isOurs = leaf.subject === before.leaf.subject || sameNames(leaf, before.leaf);
  if (!isOurs) throw new Refusal("SERVER_UNTRUSTED", "The CA's certificate is for somebody else.");
  return clientCertificate(leaf, pemOf(leaf, rest));
}

/** Fails when a CA's answer is for another key than the one that was sent. Throws SERVER_UNTRUSTED. */
export function requireCertificateOf(key: KeyObject, leaf: X509Certificate): void {
  if (leaf.checkPrivateKey(key)) return;
  throw new Refusal("SERVER_UNTRUSTED", "The CA's certificate is for another key.");
}

/** The same of an enrolment's answer, a chain in PEM. */
export function requireChainFor(key: KeyObject, chain: string): void {
  const [leaf] = certificatesIn(chain);
  if (!leaf) throw new Refusal("SERVER_UNTRUSTED", "The CA's answer has no certificate in PEM.");
  requireCertificateOf(key, leaf);
}

function sameNames(one: X509Certificate, other: X509Certificate): boolean {
  return one.subjectAltName !== undefined && one.subjectAltName === other.subjectAltName;
}

function leadsToRoot(
  leaf: X509Certificate,
  rest: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): boolean {
  const chain = [leaf, ...rest];
  const isSound = chain.slice(0, -1).every((certificate, index) => isIssuedBy(certificate, chain[index + 1]));
  return isSound && roots.some((root) => isIssuedBy(chain.at(-1), root));
}

function isIssuedBy(certificate: X509Certificate | undefined, issuer: X509Certificate | undefined): boolean {
  if (!certificate || !issuer?.ca) return false;
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
