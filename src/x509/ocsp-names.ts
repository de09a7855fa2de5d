import { hash } from "node:crypto";
import type { Issuer } from "../domain/ports.ts";
import { DerReader, tags } from "./der-reader.ts";

/** What CertIDs are hashed with: SHA-1 (RFC 6960), and SHA-256 (RFC 9919). No signature depends on it. */
export const certIdHashes: ReadonlyMap<string, { readonly name: "sha1" | "sha256"; readonly size: number }> =
  new Map([
    ["1.3.14.3.2.26", { name: "sha1", size: 20 }],
    ["2.16.840.1.101.3.4.2.1", { name: "sha256", size: 32 }],
  ]);

/** An issuer as a CertID names it: by hashes of its name and of its key. */
export function issuerName(algorithm: string, nameHash: Uint8Array, keyHash: Uint8Array): string {
  const octets = Buffer.concat([nameHash, keyHash]);
  return `${algorithm}:${octets.toString("latin1")}`;
}

export function ocspIssuerNames({ subject, signer }: Pick<Issuer, "subject" | "signer">): string[] {
  const bits = keyBits(signer.spki);
  return [...certIdHashes.values()].map(({ name }) =>
    issuerName(name, hash(name, subject, "buffer"), hash(name, bits, "buffer")),
  );
}

/** KeyHash: SHA-1 over the key's bits, whatever else is used (RFC 6960 §4.2.1). */
export function responderKeyHash(spki: Uint8Array): Buffer {
  return hash("sha1", keyBits(spki), "buffer");
}

function keyBits(spki: Uint8Array): Uint8Array {
  const fields = new DerReader(spki).enter(tags.sequence);
  fields.read(tags.sequence);
  return fields.bits();
}
