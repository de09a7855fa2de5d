import { type KeyObject, randomBytes, sign } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../domain/key-policy.ts";
import { algorithmFor } from "./algorithms.ts";
import { bitString, context, element, integer, oid, sequence, set, utf8String } from "./der-writer.ts";
import { toPem } from "./pem.ts";

const commonNameId = "2.5.4.3";
/** RFC 2985 §5.2.2: a text for people, which no CA goes by. */
const unstructuredNameId = "1.2.840.113549.1.9.2";
const IA5_STRING = 0x16;

/**
 * Makes a CSR (RFC 2986): a key and the proof that it is held. No two are the same, also of one key whose signatures are
 * deterministic: by their CSRs a CA tells two copies of a key from one that asks again.
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
  const info = sequence(integer(0), sequence(...names), spki, context(0, true, another()));
  const { digest, identifier } = algorithmFor(keyType);
  const signature = await promisify(sign)(digest, info, pair.privateKey);
  return toPem("CERTIFICATE REQUEST", sequence(info, identifier, bitString(signature)));
}

/** An attribute with 16 random octets. */
function another(): Buffer {
  const value = element(IA5_STRING, Buffer.from(randomBytes(16).toString("hex"), "latin1"));
  return sequence(oid(unstructuredNameId), set(value));
}
