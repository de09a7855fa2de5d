import type { IssuerId } from "../domain/identifiers.ts";
import type { Issuer, LeafTemplate } from "../domain/ports.ts";
import { algorithmFor } from "./algorithms.ts";
import { keyIdentifier } from "./certificate-reader.ts";
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  crlDistributionPoint,
  endEntityConstraints,
  extendedKeyUsage,
  keyUsage,
  ocspNoCheck,
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
 * Signs a version 3 certificate for an end entity (RFC 5280 §4.1).
 *
 * @returns the certificate, DER. It is not to be released before `compareLeaf` has seen it.
 */
export async function signLeaf(issuer: Issuer, template: LeafTemplate): Promise<Uint8Array> {
  const { identifier } = algorithmFor(issuer.signer.keyType);
  const tbs = sequence(
    version3,
    integer(template.serial),
    identifier,
    issuer.subject,
    sequence(time(template.notBefore), time(template.notAfter)),
    sequence(set(sequence(commonName, utf8String(template.commonName)))),
    template.spki,
    context(3, true, sequence(...leafExtensions(issuer, template))),
  );
  return sequence(tbs, identifier, bitString(await issuer.signer.sign(tbs)));
}

const version3 = context(0, true, integer(2));
const commonName = oid("2.5.4.3");

function leafExtensions(issuer: Issuer, template: LeafTemplate): Uint8Array[] {
  const { uris, dnsNames, addresses } = template;
  return [
    usages(template),
    // A SAN without names would be malformed (§4.2.1.6).
    ...(uris.length + dnsNames.length + addresses.length > 0 ? [subjectAltName(template)] : []),
    subjectKeyIdentifier(keyIdentifier(template.spki)),
    issuerExtensions(issuer, template.publicUrl),
  ];
}

/** What all certificates of a profile share, encoded once. */
function usages({ keyUsage: uses, extendedKeyUsage: purposes }: LeafTemplate): Buffer {
  const known = encodedUsages.get(uses)?.get(purposes);
  if (known) return known;
  const made = Buffer.concat([
    endEntityConstraints(),
    keyUsage(uses),
    extendedKeyUsage(purposes),
    ...(purposes.includes("OCSPSigning") ? [ocspNoCheck()] : []),
  ]);
  encodedUsages.set(uses, (encodedUsages.get(uses) ?? new WeakMap<object, Buffer>()).set(purposes, made));
  return made;
}

const encodedUsages = new WeakMap<object, WeakMap<object, Buffer>>();

/** What all certificates of an issuer share, encoded once. */
function issuerExtensions(issuer: Issuer, publicUrl: string | undefined): Buffer {
  const known = encodedForIssuer.get(issuer);
  if (known?.publicUrl === publicUrl && known) return known.extensions;
  const extensions = [authorityKeyIdentifier(issuer.id)];
  if (publicUrl !== undefined) {
    const urls = issuerUrls(publicUrl, issuer.id);
    extensions.push(crlDistributionPoint(urls.crl), authorityInfoAccess(urls));
  }
  const made = { publicUrl, extensions: Buffer.concat(extensions) };
  encodedForIssuer.set(issuer, made);
  return made.extensions;
}

const encodedForIssuer = new WeakMap<Issuer, { publicUrl: string | undefined; extensions: Buffer }>();
