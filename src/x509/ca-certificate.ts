import type { Serial } from "../domain/identifiers.ts";
import type { KeyPair } from "../domain/key-policy.ts";
import type { Instant } from "../domain/time.ts";
import { keyIdentifier } from "./certificate-reader.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "./library.ts";

export interface CaTemplate {
  readonly commonName: string;
  readonly serial: Serial;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** How many further CAs may stand below it. */
  readonly pathLength: number;
  readonly crlUrl?: string | undefined;
}

/**
 * Makes a CA certificate: critical basicConstraints with a path length, critical keyCertSign and cRLSign.
 *
 * @param parent who signs it; the CA itself for a root.
 * @returns the certificate, DER.
 */
export async function makeCaCertificate(
  keys: KeyPair,
  template: CaTemplate,
  parent?: { readonly commonName: string; readonly keys: KeyPair },
): Promise<Buffer> {
  const signer = parent ?? { commonName: template.commonName, keys };
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: template.serial,
    subject: nameOf(template.commonName),
    issuer: nameOf(signer.commonName),
    notBefore: new Date(template.notBefore),
    notAfter: new Date(template.notAfter),
    publicKey: toCryptoKeys(keys, keys.keyType).publicKey,
    signingKey: toCryptoKeys(signer.keys, signer.keys.keyType).privateKey,
    signingAlgorithm: signingAlgorithm(signer.keys.keyType),
    extensions: [
      new x509.BasicConstraintsExtension(true, template.pathLength, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectKeyIdentifierExtension(keyIdHex(keys)),
      ...(parent ? [new x509.AuthorityKeyIdentifierExtension(keyIdHex(parent.keys))] : []),
      ...(template.crlUrl === undefined ? [] : [new x509.CRLDistributionPointsExtension([template.crlUrl])]),
    ],
  });
  return Buffer.from(certificate.rawData);
}

/** As a typed value: a bare string would be read as RFC 4514 text, with escapes of its own. */
function nameOf(commonName: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

function keyIdHex(keys: KeyPair): string {
  return keyIdentifier(keys.publicKey.export({ format: "der", type: "spki" })).toString("hex");
}
