import { X509Certificate, verify } from "node:crypto";
import { parseSerial } from "../domain/identifiers.ts";
import type { CrlEntry, CrlRecord } from "../domain/records.ts";
import { algorithmNamed } from "./algorithms.ts";
import { readCertificate } from "./certificate-reader.ts";
import { issuerIdOf } from "./codec.ts";
import { DerReader, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { x509 } from "./library.ts";
import { fromPem } from "./pem.ts";

export type ReadCrl = Omit<CrlRecord, "basis"> & { readonly entries: readonly CrlEntry[] };

/**
 * Reads a full CRL (RFC 5280 §5) and verifies it with its issuer's certificate (DER).
 *
 * @param bytes PEM (one block) or DER
 * @throws Error saying what is wrong with it.
 */
export function readCrl(bytes: Uint8Array, issuer: Uint8Array): ReadCrl {
  const der =
    bytes[0] === tags.sequence ? bytes : fromPem(Buffer.from(bytes).toString("latin1"), ["X509 CRL"]);
  if (!der) throw new Error("it is not one CRL in PEM or DER");
  const crl = new x509.X509Crl(der);
  const isNamed = Buffer.from(crl.issuerName.toArrayBuffer()).equals(readCertificate(issuer).subject);
  if (!isNamed || !isSignedBy(der, issuer)) throw new Error("its issuer did not sign it");
  const numbered = crl.getExtension(extensionIds.crlNumber);
  if (!numbered || !crl.nextUpdate) throw new Error("it lacks a number or nextUpdate");
  // Such as a delta's or a partial list's. What is critical and not understood must not be used (§5.2, §5.3).
  const isCritical = [crl, ...crl.entries].some((part) => part.extensions.some(({ critical }) => critical));
  if (isCritical) throw new Error("it has a critical extension, as a full CRL has not");
  return {
    issuerId: issuerIdOf(issuer),
    number: readNumber(new Uint8Array(numbered.value)),
    thisUpdate: crl.thisUpdate.getTime(),
    nextUpdate: crl.nextUpdate.getTime(),
    ...{ der, scheduled: undefined, base: undefined, delta: undefined },
    entries: crl.entries.map((entry) => ({
      serial: parseSerial(entry.serialNumber),
      at: entry.revocationDate.getTime(),
      reason: entry.reason,
      ...(entry.invalidity && { invalidityAt: entry.invalidity.getTime() }),
    })),
  };
}

function readNumber(value: Uint8Array): number {
  const reader = new DerReader(value);
  const octets = Buffer.from(reader.integer());
  reader.end();
  const number = Number(`0x${octets.toString("hex")}`);
  const isCounted = (octets[0] ?? 0) < 0x80 && Number.isSafeInteger(number);
  if (!isCounted) throw new Error("its number is negative, or too large to be counted on from");
  return number;
}

/** By node:crypto, which knows every algorithm that is used here. */
function isSignedBy(der: Uint8Array, issuer: Uint8Array): boolean {
  const outer = new DerReader(der);
  const list = outer.enter(tags.sequence);
  outer.end();
  const tbs = list.read(tags.sequence).encoded;
  const algorithm = algorithmNamed(list.read(tags.sequence).encoded);
  const signature = list.bits();
  list.end();
  const { publicKey } = new X509Certificate(issuer);
  return algorithm !== undefined && verify(algorithm.digest, tbs, publicKey, signature);
}
