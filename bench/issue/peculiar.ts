// @peculiar/x509 alone, in a process of its own: a CSR read and verified, a certificate like ours signed.
import { randomBytes } from "node:crypto";
import { answerParent } from "../worker.ts";
import { type Authority, makeAuthority, p256, x509 } from "./authority.ts";
import { makeCsr, makeKey } from "./csr.ts";

const MINUTE = 60 * 1000;
const SAMPLES = 64;

const methods = { perSecond };
export type PeculiarMethods = typeof methods;
answerParent(methods);

/** Certificates per second, over about so many seconds. */
async function perSecond(seconds: number): Promise<number> {
  const authority = await makeAuthority();
  const csrs = Array.from({ length: SAMPLES }, () => makeCsr("ec-p256", makeKey("ec-p256")).der);
  for (const csr of csrs) await issue(authority, csr); // warm-up
  let count = 0;
  const begun = performance.now();
  let elapsed = 0;
  while (elapsed < seconds) {
    for (const csr of csrs.slice(0, 16)) await issue(authority, csr);
    count += 16;
    elapsed = (performance.now() - begun) / 1000;
  }
  return count / elapsed;
}

async function issue({ keys, certificate }: Authority, csr: Buffer): Promise<ArrayBuffer> {
  const request = new x509.Pkcs10CertificateRequest(csr);
  if (!(await request.verify())) throw new Error("a CSR's signature is wrong");
  const now = Date.now();
  const issued = await x509.X509CertificateGenerator.create({
    serialNumber: `00${randomBytes(16).toString("hex")}`,
    subject: "CN=bench",
    issuer: certificate.subjectName,
    notBefore: new Date(now - MINUTE),
    notAfter: new Date(now + 60 * MINUTE),
    publicKey: request.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: p256,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: "spiffe://bench/account/bench" }]),
      await x509.SubjectKeyIdentifierExtension.create(request.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new x509.CRLDistributionPointsExtension(["http://127.0.0.1:8080/crl/bench.crl"]),
      new x509.AuthorityInfoAccessExtension({
        ocsp: "http://127.0.0.1:8080/ocsp",
        caIssuers: "http://127.0.0.1:8080/issuers/bench.crt",
      }),
    ],
  });
  return issued.rawData;
}
