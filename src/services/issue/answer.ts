import type { IssuerId } from "../../domain/identifiers.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import type { IssuingParts } from "./parts.ts";

/** What whoever asked is given. */
export interface Answer {
  readonly record: CertificateRecord;
  /** The leaf, PEM. */
  readonly certificate: string;
  /** The leaf, then its issuing CA without the root: a client's certificate file. PEM. */
  readonly chain: string;
}

/** Step: answer. */
export function answer(parts: IssuingParts, record: CertificateRecord): Answer {
  parts.onStep?.("answer");
  const certificate = parts.codec.toPem(record.der);
  return { record, certificate, chain: certificate + issuerPem(parts, record.issuerId) };
}

const pems = new WeakMap<Uint8Array, string>();

/** Encoded once for each issuer. */
function issuerPem({ codec, issuers }: IssuingParts, id: IssuerId): string {
  const der = issuers.certificate(id);
  if (!der) throw new Error("a certificate's issuer is not on record");
  const pem = pems.get(der) ?? codec.toPem(der);
  pems.set(der, pem);
  return pem;
}
