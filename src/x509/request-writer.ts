import { type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../domain/key-policy.ts";
import { algorithmFor } from "./algorithms.ts";
import { bitString, context, integer, oid, sequence, set, utf8String } from "./der-writer.ts";
import { toPem } from "./pem.ts";

const commonNameId = "2.5.4.3";

/**
 * Makes a CSR (RFC 2986): a key and the proof that it is held.
 *
 * @param commonName the subject, for people to read; the CA decides it
 * @returns the CSR, PEM.
 */
export async function makeRequest(
  pair: { privateKey: KeyObject; publicKey: KeyObject },
  keyType: KeyType,
  commonName?: string,
): Promise<string> {
  const names = commonName === undefined ? [] : [set(sequence(oid(commonNameId), utf8String(commonName)))];
  const spki = pair.publicKey.export({ format: "der", type: "spki" });
  const info = sequence(integer(0), sequence(...names), spki, context(0, true));
  const { digest, identifier } = algorithmFor(keyType);
  const signature = await promisify(sign)(digest, info, pair.privateKey);
  return toPem("CERTIFICATE REQUEST", sequence(info, identifier, bitString(signature)));
}
