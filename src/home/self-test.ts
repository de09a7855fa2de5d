import { X509Certificate, randomBytes, verify } from "node:crypto";
import { type Serial, SERIAL_RANDOM_OCTETS, fingerprintOf, serialFrom } from "../domain/identifiers.ts";
import type { KeyPair } from "../domain/key-policy.ts";
import type { Clock, Issuer } from "../domain/ports.ts";
import type { CertificateStatus } from "../domain/records.ts";
import { HOUR, MINUTE, wholeSeconds } from "../domain/time.ts";
import type { TrialCredential, Trials } from "../domain/trial.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import { algorithmFor } from "../x509/algorithms.ts";
import { makeRootCertificate } from "../x509/ca-certificate.ts";
import { codec, issuerFrom } from "../x509/codec.ts";
import { caTemplate } from "./authorities.ts";

/**
 * Has each issuer sign something that is no certificate, and verifies it with the issuer's certificate.
 *
 * @returns what is wrong, sentence by sentence.
 */
export async function signerFaults(issuers: readonly Issuer[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { id, der, signer } of issuers) {
    // Begins with a letter, so that nobody can take it for DER that the issuer has signed.
    const text = Buffer.concat([Buffer.from("self-test "), randomBytes(32)]);
    const { digest } = algorithmFor(signer.keyType);
    const { publicKey } = new X509Certificate(der);
    const isGood = await signer.sign(text).then(
      (signature) => verify(digest, text, publicKey, signature),
      () => false,
    );
    if (!isGood) faults.push(`what the issuer ${id} signs does not verify`);
  }
  return faults;
}

/**
 * Makes a CA and credentials in memory, to be thrown away: our own issuers sign nothing for this, so that they have signed
 * nothing that is not on record.
 *
 * @throws Error when what was signed is not what was meant.
 */
export async function mintTrials(clock: Clock): Promise<Trials> {
  const [ca, other] = [await throwawayCa(clock), await throwawayCa(clock)];
  const pair = await makeKeyPair("ec-p256");
  const now = wholeSeconds(clock.now());
  const live = { notBefore: now - MINUTE, notAfter: now + HOUR };
  const past = { notBefore: now - 2 * HOUR, notAfter: now - HOUR };
  const mint = (issuer: Issuer, validity: typeof live, status: CertificateStatus = "active") =>
    credential(issuer, pair, { ...validity, status });
  const server = await credential(ca, pair, { ...live, status: "active", isServer: true });
  return {
    ca: ca.der,
    server: { cert: server.cert, key: server.key },
    good: await mint(ca, live),
    suspended: await mint(ca, live, "suspended"),
    expired: await mint(ca, past),
    unknown: await mint(ca, live),
    foreign: await mint(other, live),
  };
}

async function throwawayCa(clock: Clock): Promise<Issuer> {
  const pair = await makeKeyPair("ec-p256");
  const der = await makeRootCertificate(pair, caTemplate(clock, "Self-test", 0, 2 * HOUR));
  return issuerFrom(der, memorySigner(pair.privateKey));
}

async function credential(
  issuer: Issuer,
  { privateKey, publicKey }: KeyPair,
  wanted: {
    readonly notBefore: number;
    readonly notAfter: number;
    readonly status: CertificateStatus;
    readonly isServer?: boolean;
  },
): Promise<TrialCredential> {
  const { notBefore, notAfter, status, isServer = false } = wanted;
  const serial: Serial = serialFrom(notBefore, randomBytes(SERIAL_RANDOM_OCTETS));
  const template = {
    ...{ serial, notBefore, notAfter },
    ...{ commonName: "self-test", uris: [], addresses: [], publicUrl: undefined },
    dnsNames: isServer ? ["localhost"] : [],
    spki: publicKey.export({ format: "der", type: "spki" }),
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [isServer ? "serverAuth" : "clientAuth"],
  } as const;
  const der = await codec.signLeaf(issuer, template);
  const differences = codec.compareLeaf(der, issuer, template);
  if (differences.length > 0) throw new Error(`signed, and not as meant: ${differences.join(", ")}`);
  return {
    cert: codec.toPem(der),
    key: privateKey.export({ format: "pem", type: "pkcs8" }),
    record: {
      ...{ fingerprint: fingerprintOf(der), issuerId: issuer.id, serial, accountId: 1 },
      ...{ notBefore, notAfter, scopes: undefined, limits: undefined, status },
    },
  };
}
