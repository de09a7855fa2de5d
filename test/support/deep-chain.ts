import { DAY, HOUR } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import { type KeyAndCertificate, freshKeys, inPem, p256 } from "./library-certificates.ts";

/** A root, and CAs each of which the one before has signed; all have one key, which no verifier minds. */
export interface DeepChain {
  /** PEM. */
  readonly root: string;
  /** A client's certificate below so many CAs, the root among them, with all that lead to it but the root. */
  below(cas: number): Promise<KeyAndCertificate>;
}

export async function deepChain(most: number): Promise<DeepChain> {
  const keys = await freshKeys();
  const sign = (place: number, issuer: number, extensions: x509.Extension[]): Promise<x509.X509Certificate> =>
    x509.X509CertificateGenerator.create({
      ...{ serialNumber: "01", subject: `CN=${String(place)}`, issuer: `CN=${String(issuer)}` },
      ...{ notBefore: new Date(Date.now() - HOUR), notAfter: new Date(Date.now() + DAY) },
      ...{ publicKey: keys.publicKey, signingKey: keys.privateKey, signingAlgorithm: p256, extensions },
    });
  const ofCa = [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ];
  const cas = await Promise.all(
    Array.from({ length: most }, async (_, place) =>
      (await sign(place, Math.max(0, place - 1), ofCa)).toString("pem"),
    ),
  );
  return {
    root: cas[0] ?? "",
    async below(count) {
      const purpose = [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])];
      const leaf = await inPem(keys, await sign(most, count - 1, purpose));
      return { key: leaf.key, cert: [leaf.cert, ...cas.slice(1, count).reverse()].join("\n") };
    },
  };
}
