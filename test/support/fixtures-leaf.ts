import { parseIssuerId } from "../../src/domain/identifiers.ts";
import { bitString, context, integer, sequence, time } from "../../src/x509/der-writer.ts";
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  crlDistributionPoint,
  endEntityConstraints,
  extendedKeyUsage,
  extension,
  extensionIds as ids,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../src/x509/extensions.ts";
import { commonName, ecdsaWithSha256 } from "./fixtures-csr.ts";
import { freshSpki, testNow } from "./fixtures-issuer.ts";

// Leaves as our writer makes them, and as it never does.

const spki = await freshSpki();
const keyId = "ab".repeat(20);
export const url = "http://ca.test/x";
export const none: Buffer = Buffer.alloc(0);
export const uri = (text: string): Buffer => context(6, false, Buffer.from(text));

type Part =
  | ("version" | "serial" | "algorithm" | "issuer" | "validity" | "subject" | "unique" | "afterExtensions")
  | ("outerAlgorithm" | "signature" | "afterSignature");

/** Right in every field, but for a signature that nobody checks here. */
const good: Readonly<Record<Part, Buffer>> = {
  version: context(0, true, integer(2)),
  serial: integer("1234"),
  algorithm: ecdsaWithSha256,
  issuer: sequence(commonName("Test CA")),
  validity: sequence(time(testNow), time(testNow + 60_000)),
  subject: sequence(commonName("billing")),
  unique: none,
  afterExtensions: none,
  outerAlgorithm: ecdsaWithSha256,
  signature: bitString(Buffer.alloc(70, 1)),
  afterSignature: none,
};

/** By their identifiers. */
export const extensions: ReadonlyMap<string, Buffer> = new Map([
  [ids.basicConstraints, endEntityConstraints()],
  [ids.keyUsage, keyUsage(["digitalSignature"])],
  [ids.extendedKeyUsage, extendedKeyUsage(["clientAuth"])],
  [ids.subjectAltName, subjectAltName({ uris: [url], dnsNames: ["a.test"], addresses: ["192.0.2.1"] })],
  [ids.subjectKeyIdentifier, subjectKeyIdentifier(Buffer.from(keyId, "hex"))],
  [ids.authorityKeyIdentifier, authorityKeyIdentifier(parseIssuerId(keyId))],
  [ids.crlDistributionPoints, crlDistributionPoint(url)],
  [ids.authorityInfoAccess, authorityInfoAccess({ ocsp: url, caIssuers: url })],
]);

/** A certificate (DER) with some of its parts written in another way. */
export function certificate(
  changes: Partial<Record<Part, Buffer>> = {},
  list = [...extensions.values()],
): Buffer {
  const parts = { ...good, ...changes };
  const field = list.length > 0 ? context(3, true, sequence(...list)) : none;
  const { version, serial, algorithm, issuer, validity, subject, unique, afterExtensions } = parts;
  const head = [version, serial, algorithm, issuer, validity, subject, spki, unique];
  const tbs = sequence(...head, field, afterExtensions);
  return sequence(tbs, parts.outerAlgorithm, parts.signature, parts.afterSignature);
}

/** With one extension written in another way, or without. */
export const written = (id: string, ...instead: readonly Buffer[]): Buffer =>
  certificate(
    {},
    [...extensions].flatMap(([its, der]) => (its === id ? instead : der)),
  );
/** With one extension of another value. */
export const valued = (id: string, ...value: readonly Buffer[]): Buffer =>
  written(id, extension(id, id === ids.keyUsage || id === ids.basicConstraints, Buffer.concat(value)));
