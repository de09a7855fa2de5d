import type { IssuerId } from "../domain/identifiers.ts";
import { type KeyUsage, type LeafPurpose, leafPurposeIds } from "../domain/profile.ts";
import { bitString, boolean, context, nothing, oid, octetString, sequence } from "./der-writer.ts";
import { addressOctets } from "./ip-address.ts";

export const extensionIds = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  invalidityDate: "2.5.29.24",
  deltaCrlIndicator: "2.5.29.27",
  crlDistributionPoints: "2.5.29.31",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  freshestCrl: "2.5.29.46",
  authorityInfoAccess: "1.3.6.1.5.5.7.1.1",
  ocspNonce: "1.3.6.1.5.5.7.48.1.2",
  ocspNoCheck: "1.3.6.1.5.5.7.48.1.5",
} as const;

/** Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }: DER leaves the default out. */
export function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return critical
    ? sequence(oid(id), boolean(true), octetString(value))
    : sequence(oid(id), octetString(value));
}

/** cA FALSE is the default, so an end entity's is empty. Critical (RFC 5280 §4.2.1.9). */
export function endEntityConstraints(): Buffer {
  return extension(extensionIds.basicConstraints, true, sequence());
}

/** Their bits, the first of which is the highest (RFC 5280 §4.2.1.3). */
export const keyUsageBits: Readonly<Record<KeyUsage, number>> = {
  digitalSignature: 0x80,
  keyEncipherment: 0x20,
  keyAgreement: 0x08,
};

/** Critical. DER leaves out a bit list's zeros at its end (X.690 §11.2.2). */
export function keyUsage(usages: readonly KeyUsage[]): Buffer {
  let bits = 0;
  for (const usage of usages) bits |= keyUsageBits[usage];
  const unused = 31 - Math.clz32(bits & -bits);
  return extension(extensionIds.keyUsage, true, bitString(Buffer.of(bits), unused));
}

export function extendedKeyUsage(purposes: readonly LeafPurpose[]): Buffer {
  const ids = purposes.map((purpose) => oid(leafPurposeIds[purpose]));
  return extension(extensionIds.extendedKeyUsage, false, sequence(...ids));
}

/** For the life of an OCSP responder's certificate, its own status is not asked for (RFC 6960 §4.2.2.2.1). */
export function ocspNoCheck(): Buffer {
  return extension(extensionIds.ocspNoCheck, false, nothing());
}

export function subjectAltName(names: {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}): Buffer {
  const general = [
    ...names.dnsNames.map((name) => context(2, false, Buffer.from(name, "ascii"))),
    ...names.uris.map((uri) => context(6, false, Buffer.from(uri, "ascii"))),
    ...names.addresses.map((address) => context(7, false, addressOctets(address))),
  ];
  return extension(extensionIds.subjectAltName, false, sequence(...general));
}

export function subjectKeyIdentifier(id: Uint8Array): Buffer {
  return extension(extensionIds.subjectKeyIdentifier, false, octetString(id));
}

/** @param id the issuer, which is named by its subject key identifier */
export function authorityKeyIdentifier(id: IssuerId): Buffer {
  const keyId = context(0, false, Buffer.from(id, "hex"));
  return extension(extensionIds.authorityKeyIdentifier, false, sequence(keyId));
}

export function crlDistributionPoint(url: string): Buffer {
  return extension(extensionIds.crlDistributionPoints, false, distributionPoint(url));
}

/** Where the delta of a full CRL is (RFC 5280 §5.2.6). */
export function freshestCrl(url: string): Buffer {
  return extension(extensionIds.freshestCrl, false, distributionPoint(url));
}

function distributionPoint(url: string): Buffer {
  const fullName = context(0, true, context(6, false, Buffer.from(url, "ascii")));
  return sequence(sequence(context(0, true, fullName)));
}

export function authorityInfoAccess(urls: { readonly ocsp: string; readonly caIssuers: string }): Buffer {
  const access = (method: string, url: string): Buffer =>
    sequence(oid(method), context(6, false, Buffer.from(url, "ascii")));
  return extension(
    extensionIds.authorityInfoAccess,
    false,
    sequence(access("1.3.6.1.5.5.7.48.1", urls.ocsp), access("1.3.6.1.5.5.7.48.2", urls.caIssuers)),
  );
}
