import { createPrivateKey, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import type { TestCredential } from "./client.ts";
import { type KeyAndCertificate, freshKeys, inPem, p256 } from "./library-certificates.ts";

// Certificates that are nearly somebody's.

const purposeIds = { clientAuth: "1.3.6.1.5.5.7.3.2", serverAuth: "1.3.6.1.5.5.7.3.1" } as const;
type Purposes = readonly (keyof typeof purposeIds)[];

function common(purposes: Purposes) {
  return {
    serialNumber: `01${randomBytes(8).toString("hex")}`,
    notBefore: new Date(Date.now() - HOUR),
    notAfter: new Date(Date.now() + DAY),
    signingAlgorithm: p256,
    extensions:
      purposes.length === 0
        ? []
        : [new x509.ExtendedKeyUsageExtension(purposes.map((purpose) => purposeIds[purpose]))],
  };
}

/** Self-signed, with a credential's own key and subject. */
export async function selfSignedLike({ key, cert }: TestCredential): Promise<KeyAndCertificate> {
  const { publicKey, subjectName } = new x509.X509Certificate(cert);
  const certificate = await x509.X509CertificateGenerator.create({
    ...common(["clientAuth"]),
    ...{ subject: subjectName, issuer: subjectName, publicKey },
    signingKey: createPrivateKey(key).toCryptoKey(p256, false, ["sign"]),
  });
  return { key, cert: certificate.toString("pem") };
}

/** Signed by a fresh CA with the subject and the key id of a home's issuing CA; that CA's certificate is sent along. */
export async function namesakeLeaf(home: string, purposes: Purposes): Promise<KeyAndCertificate> {
  const { subjectName } = certificateOf(home, "issuer");
  const keyId = certificateOf(home, "issuer").getExtension(x509.SubjectKeyIdentifierExtension)?.keyId ?? "";
  const { ca, leaf } = await falseCa({ subjectName, issuerName: subjectName, keyId }, purposes);
  return { key: leaf.key, cert: `${leaf.cert}\n${ca.toString("pem")}` };
}

/** A CA (DER) that says a home's root had signed it, which it has not; and a leaf of it. */
export async function unsignedIssuer(home: string): Promise<{ der: Buffer; leaf: KeyAndCertificate }> {
  const { subjectName: issuerName } = certificateOf(home, "root");
  const subjectName = new x509.Name("CN=Second Issuing CA");
  const names = { subjectName, issuerName, keyId: randomBytes(20).toString("hex") };
  const { ca, leaf } = await falseCa(names, ["clientAuth"]);
  return { der: Buffer.from(ca.rawData), leaf };
}

function certificateOf(home: string, name: "issuer" | "root"): x509.X509Certificate {
  return new x509.X509Certificate(readFileSync(join(home, "certs", `${name}.crt`), "latin1"));
}

/** Signed by itself whatever it says; and a leaf of it. */
async function falseCa(
  names: { readonly subjectName: x509.Name; readonly issuerName: x509.Name; readonly keyId: string },
  purposes: Purposes,
): Promise<{ ca: x509.X509Certificate; leaf: KeyAndCertificate }> {
  const caKeys = await freshKeys();
  const ca = await x509.X509CertificateGenerator.create({
    ...common([]),
    ...{ subject: names.subjectName, issuer: names.issuerName, publicKey: caKeys.publicKey },
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.SubjectKeyIdentifierExtension(names.keyId),
    ],
  });
  const keys = await freshKeys();
  const its = common(purposes);
  const leaf = await x509.X509CertificateGenerator.create({
    ...{ ...its, subject: "CN=acme", issuer: names.subjectName, publicKey: keys.publicKey },
    signingKey: caKeys.privateKey,
    extensions: [...its.extensions, new x509.AuthorityKeyIdentifierExtension(names.keyId)],
  });
  return { ca, leaf: await inPem(keys, leaf) };
}

interface Certified {
  readonly purposes: Purposes;
  readonly isCa?: boolean;
  readonly subject?: string | x509.Name;
  /** Other names of its subject, whatever is in them. */
  readonly names?: readonly { readonly type: "url" | "dns"; readonly value: string }[];
}

/** Signed with the stolen key of a home's own CA, as its commands never would. */
export async function certifiedByHome(
  home: string,
  by: "issuer" | "root",
  { purposes, isCa = false, subject = "CN=acme", names = [] }: Certified,
): Promise<KeyAndCertificate> {
  const read = (...path: string[]): string => readFileSync(join(home, ...path), "latin1");
  const passphrase = read("secrets", by === "root" ? "root.password" : "password").trim();
  const signer = createPrivateKey({ key: read("secrets", `${by}.key`), passphrase });
  const keys = await freshKeys();
  const its = common(purposes);
  const { KeyUsageFlags: flags, KeyUsagesExtension: Usages } = x509;
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ ...its, subject, publicKey: keys.publicKey },
    issuer: certificateOf(home, by).subjectName,
    signingKey: signer.toCryptoKey(p256, false, ["sign"]),
    extensions: [
      ...its.extensions,
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      isCa
        ? new Usages(flags.digitalSignature | flags.keyCertSign, true)
        : new Usages(flags.digitalSignature, true),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : []),
    ],
  });
  return inPem(keys, certificate);
}
