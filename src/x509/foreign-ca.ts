import { X509Certificate } from "node:crypto";
import { type IssuerId, sha256Hex, spkiHashOf } from "../domain/identifiers.ts";
import { keyTypeOf } from "../domain/key-policy.ts";
import { parseSlug } from "../domain/names.ts";
import type { IssuerRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { readCertificate } from "./certificate-reader.ts";

/** A certificate of a CA that is not ours, of which credentials may be registered. */
export interface ForeignCa {
  readonly id: IssuerId;
  readonly certificate: X509Certificate;
  /** Its Name, DER. */
  readonly subject: Uint8Array;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Reads a CA's certificates: its root, and the intermediate CAs below it.
 *
 * @param bytes PEM (any number) or DER (one)
 * @returns them, or everything that is wrong with them.
 */
export function readForeignCas(
  bytes: Buffer,
  now: Instant,
): { readonly cas: readonly ForeignCa[]; readonly faults: readonly string[] } {
  const blocks = bytes[0] === 0x30 ? [bytes] : (bytes.toString("latin1").match(BLOCK) ?? []);
  if (blocks.length === 0) return { cas: [], faults: ["it holds no certificate"] };
  try {
    const cas = blocks.map((block) => foreignCa(new X509Certificate(block)));
    return { cas, faults: cas.flatMap((ca) => faultsOf(ca, cas, now)) };
  } catch {
    return { cas: [], faults: ["it holds a certificate that cannot be read"] };
  }
}

function foreignCa(certificate: X509Certificate): ForeignCa {
  const { subject, spki } = readCertificate(certificate.raw);
  return { id: foreignIdOf(subject, spki), certificate, subject };
}

/**
 * By name and key, which stay when the CA's certificate is renewed. Not by its key identifier: that is whatever the
 * other CA says, and might be one of ours.
 */
function foreignIdOf(subject: Uint8Array, spki: Uint8Array): IssuerId {
  return sha256Hex(Buffer.concat([Buffer.from("foreign:"), subject, spki])).slice(0, 40) as IssuerId;
}

function faultsOf({ certificate }: ForeignCa, all: readonly ForeignCa[], now: Instant): string[] {
  const name = certificate.subject.replaceAll("\n", ", ");
  const isSigned = all.some(
    (other) => certificate.checkIssued(other.certificate) && certificate.verify(other.certificate.publicKey),
  );
  const rules: readonly (readonly [boolean, string])[] = [
    [certificate.ca, "is not a CA's certificate"],
    [certificate.validFromDate.getTime() <= now, "is not valid yet"],
    [certificate.validToDate.getTime() > now, "has expired"],
    [isSigned, "does not lead to a root in the same file"],
  ];
  return rules.filter(([isRight]) => !isRight).map(([, fault]) => `'${name}' ${fault}`);
}

/** As it is kept beside what is registered. It never signs here, and is not listed as ours. */
export function foreignIssuerRecord({ id, certificate }: ForeignCa): IssuerRecord {
  return {
    id,
    ...{ name: parseSlug(`foreign-${id}`), role: "foreign", status: "active", der: certificate.raw },
    keyType: keyTypeOf(certificate.publicKey),
    spkiHash: spkiHashOf(readCertificate(certificate.raw).spki),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}
