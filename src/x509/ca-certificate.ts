import type { KeyObject } from "node:crypto";
import type { Serial } from "../domain/identifiers.ts";
import type { KeyPair, KeyType } from "../domain/key-policy.ts";
import type { Instant } from "../domain/time.ts";
import { keyIdentifier } from "./certificate-reader.ts";
import { nameOf, signingAlgorithm, toCryptoKeys, toPublicCryptoKey, x509 } from "./library.ts";

export interface CaTemplate {
  readonly commonName: string;
  readonly serial: Serial;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** How many further CAs may stand below it. */
  readonly pathLength: number;
  readonly crlUrl?: string | undefined;
}

export interface CaParent {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly keys: KeyPair;
}

/** Makes a root: a CA certificate that its own key signs. Returns it as DER. */
export function makeRootCertificate(keys: KeyPair, template: CaTemplate): Promise<Buffer> {
  return make(keys, template, nameOf(template.commonName), keys, []);
}

/**
 * Makes a CA certificate for a key: critical basicConstraints with a path length, critical keyCertSign and cRLSign.
 *
 * @param parent who signs it
 * @returns the certificate, DER.
 */
export function makeCaCertificate(
  key: { readonly publicKey: KeyObject; readonly keyType: KeyType },
  template: CaTemplate,
  parent: CaParent,
): Promise<Buffer> {
  const { subjectName } = new x509.X509Certificate(Buffer.from(parent.certificate));
  return make(key, template, subjectName, parent.keys, [
    new x509.AuthorityKeyIdentifierExtension(keyIdHex(parent.keys.publicKey)),
  ]);
}

async function make(
  key: { readonly publicKey: KeyObject; readonly keyType: KeyType },
  template: CaTemplate,
  issuer: x509.Name,
  signer: KeyPair,
  further: readonly x509.Extension[],
): Promise<Buffer> {
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: template.serial,
    subject: nameOf(template.commonName),
    issuer,
    notBefore: new Date(template.notBefore),
    notAfter: new Date(template.notAfter),
    publicKey: toPublicCryptoKey(key.publicKey, key.keyType),
    signingKey: toCryptoKeys(signer, signer.keyType).privateKey,
    signingAlgorithm: signingAlgorithm(signer.keyType),
    extensions: [
      new x509.BasicConstraintsExtension(true, template.pathLength, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectKeyIdentifierExtension(keyIdHex(key.publicKey)),
      ...further,
      ...(template.crlUrl === undefined ? [] : [new x509.CRLDistributionPointsExtension([template.crlUrl])]),
    ],
  });
  return Buffer.from(certificate.rawData);
}

function keyIdHex(publicKey: KeyObject): string {
  return keyIdentifier(publicKey.export({ format: "der", type: "spki" })).toString("hex");
}
