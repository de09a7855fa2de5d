import { X509Certificate } from "node:crypto";
import { Refusal } from "../domain/errors.ts";
import { fingerprintOf, spkiHashOf } from "../domain/identifiers.ts";
import { identifyKey, requireStrongKey } from "../domain/key-policy.ts";
import { purposeIds } from "../domain/profile.ts";
import type { CertificateRecord, IssuerRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { algorithmNamed } from "./algorithms.ts";
import { type ParsedCertificate, readCertificate } from "./certificate-reader.ts";
import { DerError } from "./der-reader.ts";
import { type ForeignCa, foreignIssuerRecord } from "./foreign-ca.ts";
import { readPublicKey } from "./public-key.ts";

/** A client certificate of another CA, checked. */
export interface ForeignLeaf extends Pick<
  CertificateRecord,
  "fingerprint" | "serial" | "spkiHash" | "keyType" | "notBefore" | "notAfter" | "der"
> {
  readonly issuer: IssuerRecord;
}

/**
 * Reads a certificate that is to be registered.
 *
 * @param bytes PEM (the first counts) or DER
 * @throws Refusal CREDENTIAL_INVALID with everything that is wrong with it; KEY_UNSUPPORTED, KEY_WEAK.
 */
export function readForeignLeaf(bytes: Buffer, cas: readonly ForeignCa[], now: Instant): ForeignLeaf {
  const { leaf, parsed } = readLeaf(bytes);
  const issuer = cas.find(
    ({ certificate }) => leaf.checkIssued(certificate) && leaf.verify(certificate.publicKey),
  );
  const notBefore = leaf.validFromDate.getTime();
  const notAfter = leaf.validToDate.getTime();
  // Node's types leave out that an absent extension is undefined.
  const purposes = leaf.keyUsage as string[] | undefined;
  const rules: readonly (readonly [boolean, string])[] = [
    [issuer !== undefined, "no CA named under 'trust' signed it"],
    [algorithmNamed(parsed.signatureAlgorithm) !== undefined, "its signature's algorithm is not taken here"],
    [!leaf.ca, "it is a CA's"],
    [purposes?.includes(purposeIds.clientAuth) ?? false, "its extended key usage lacks clientAuth"],
    [now >= notBefore, "it is not valid yet"],
    [now < notAfter, "it has expired"],
  ];
  const faults = rules.filter(([isRight]) => !isRight).map(([, fault]) => fault);
  if (!issuer || faults.length > 0) {
    throw new Refusal("CREDENTIAL_INVALID", `The certificate cannot be registered: ${faults.join("; ")}.`);
  }
  const key = orInvalid(() => readPublicKey(parsed.spki));
  const keyType = identifyKey(key);
  requireStrongKey(key);
  const { serial } = parsed;
  return {
    ...{ fingerprint: fingerprintOf(leaf.raw), serial, spkiHash: spkiHashOf(parsed.spki), keyType },
    ...{ notBefore, notAfter, der: leaf.raw, issuer: foreignIssuerRecord(issuer) },
  };
}

function readLeaf(bytes: Buffer): { readonly leaf: X509Certificate; readonly parsed: ParsedCertificate } {
  const leaf = x509Of(bytes);
  return { leaf, parsed: orInvalid(() => readCertificate(leaf.raw)) };
}

function x509Of(bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (error) {
    throw new Refusal("CREDENTIAL_INVALID", "The file holds no certificate that can be read.", String(error));
  }
}

/** OpenSSL reads more than RFC 5280 allows. */
function orInvalid<Read>(read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const fault = `it is not as RFC 5280 has it (${error.message})`;
    throw new Refusal("CREDENTIAL_INVALID", `The certificate cannot be registered: ${fault}.`);
  }
}
