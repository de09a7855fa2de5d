import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DAY } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import { type KeyAndCertificate, freshKeys, inPem, p256 } from "./library-certificates.ts";

/** Another organisation's CA, its files, and two clients of it. */
export interface ForeignAuthority {
  /** Files. */
  readonly ca: string;
  readonly crl: string;
  /** On the CRL, and not; the certificates are in files, too. */
  readonly listed: KeyAndCertificate & { readonly file: string };
  readonly unlisted: KeyAndCertificate & { readonly file: string };
}

/** A CA whose CRL, with one of its clients on it, has been stale for a day. */
export async function staleAuthority(folder: string): Promise<ForeignAuthority> {
  const keys = await freshKeys();
  const [name, now] = ["CN=Partner CA", Date.now()];
  const { KeyUsageFlags: flags } = x509;
  const its = {
    notBefore: new Date(now - 9 * DAY),
    notAfter: new Date(now + 9 * DAY),
    signingAlgorithm: p256,
  };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ ...its, serialNumber: "01", name, keys },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(flags.keyCertSign | flags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const at = (file: string): string => join(folder, file);
  const client = async (file: string) => {
    const own = await freshKeys();
    const serialNumber = `01${randomBytes(8).toString("hex")}`;
    const certificate = await x509.X509CertificateGenerator.create({
      ...{ ...its, serialNumber, subject: `CN=${file}`, issuer: name, publicKey: own.publicKey },
      signingKey: keys.privateKey,
      extensions: [new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2"])],
    });
    writeFileSync(at(file), certificate.toString("pem"));
    return { ...(await inPem(own, certificate)), file: at(file), serialNumber };
  };
  const [listed, unlisted] = [await client("listed.pem"), await client("unlisted.pem")];
  const crl = await x509.X509CrlGenerator.create({
    ...{ issuer: name, signingKey: keys.privateKey, signingAlgorithm: p256 },
    ...{ thisUpdate: new Date(now - 8 * DAY), nextUpdate: new Date(now - DAY) },
    entries: [{ serialNumber: listed.serialNumber, revocationDate: new Date(now - 8 * DAY) }],
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)],
  });
  writeFileSync(at("partner.pem"), ca.toString("pem"));
  writeFileSync(at("partner.crl"), Buffer.from(crl.rawData));
  return { ca: at("partner.pem"), crl: at("partner.crl"), listed, unlisted };
}
