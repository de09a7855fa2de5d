import { type KeyObject, createHmac, randomBytes } from "node:crypto";
import forge from "node-forge";
import { Refusal } from "../domain/errors.ts";
import type { KeyType } from "../domain/key-policy.ts";
import { tags } from "./der-reader.ts";
import { context, element, integer, nothing, octetString, oid, sequence, set } from "./der-writer.ts";
import { pbes2 } from "./private-key.ts";

const DATA = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
const SHA256 = "2.16.840.1.101.3.4.2.1";
/** As many as the encryption takes: passwords can be tried on the MAC too. */
const MAC_ROUNDS = 600_000;

export interface Pkcs12Contents {
  readonly key: KeyObject;
  /** DER: the leaf, then the CAs above it. */
  readonly certificates: readonly Uint8Array[];
  /** What importers call the key and its certificate. */
  readonly friendlyName: string;
}

/**
 * Refuses a key that PKCS#12 could hold, and that what imports PKCS#12 (NSS, and so Chromium; Java) does not take.
 *
 * @throws Refusal KEY_UNSUPPORTED
 */
export function requirePkcs12Key(keyType: KeyType): void {
  if (keyType.startsWith("ec-") || keyType.startsWith("rsa-")) return;
  throw new Refusal("KEY_UNSUPPORTED", `PKCS#12 files are for EC and RSA keys, not for ${keyType}.`);
}

/**
 * A PKCS#12 file (RFC 7292), DER: key and certificates, encrypted with PBES2, and an HMAC-SHA-256 over them.
 *
 * node-forge derives the MAC's key; its own writer knows RSA only, and its PBKDF2 takes seconds.
 *
 * @throws Refusal PASSWORD_EMPTY
 */
export async function pkcs12(contents: Pkcs12Contents, password: string): Promise<Buffer> {
  if (password === "") throw new Refusal("PASSWORD_EMPTY");
  const { key, certificates, friendlyName } = contents;
  const attributes = bagAttributes(friendlyName);
  const bags = certificates.map((der, index) => certificateBag(der, index === 0 ? attributes : []));
  const certificateSafe = await encryptedData(sequence(...bags), password);
  const keySafe = data(sequence(await keyBag(key, password, attributes)));
  const authenticatedSafe = sequence(certificateSafe, keySafe);
  return sequence(integer(3), data(authenticatedSafe), macData(authenticatedSafe, password));
}

/** RFC 7292 §4.2.2 */
async function keyBag(key: KeyObject, password: string, attributes: readonly Buffer[]): Promise<Buffer> {
  const { algorithm, encrypted } = await pbes2(key.export({ format: "der", type: "pkcs8" }), password);
  const shrouded = sequence(algorithm, octetString(encrypted));
  return sequence(oid("1.2.840.113549.1.12.10.1.2"), context(0, true, shrouded), set(...attributes));
}

/** RFC 7292 §4.2.3 */
function certificateBag(der: Uint8Array, attributes: readonly Buffer[]): Buffer {
  const bag = sequence(oid("1.2.840.113549.1.9.22.1"), context(0, true, octetString(der)));
  return sequence(
    oid("1.2.840.113549.1.12.10.1.3"),
    context(0, true, bag),
    ...(attributes.length === 0 ? [] : [set(...attributes)]),
  );
}

/** friendlyName and localKeyId (RFC 2985 §5.5): the latter is what joins a key to its certificate. */
function bagAttributes(friendlyName: string): readonly Buffer[] {
  const name = element(tags.bmpString, Buffer.from(friendlyName, "utf16le").swap16());
  return [
    sequence(oid("1.2.840.113549.1.9.21"), set(octetString(Buffer.of(1)))),
    sequence(oid("1.2.840.113549.1.9.20"), set(name)),
  ].sort((a, b) => Buffer.compare(a, b)); // as DER has a SET OF
}

function data(contents: Uint8Array): Buffer {
  return sequence(oid(DATA), context(0, true, octetString(contents)));
}

/** RFC 2315 §13 */
async function encryptedData(contents: Uint8Array, password: string): Promise<Buffer> {
  const { algorithm, encrypted } = await pbes2(contents, password);
  const info = sequence(oid(DATA), algorithm, context(0, false, encrypted));
  return sequence(oid(ENCRYPTED_DATA), context(0, true, sequence(integer(0), info)));
}

/** RFC 7292 §4 and appendix B: its key is of the password in UTF-16, where PBES2 takes UTF-8. */
function macData(contents: Uint8Array, password: string): Buffer {
  const salt = randomBytes(16);
  const saltBuffer = forge.util.createBuffer(salt.toString("latin1"));
  const sha256 = forge.md.sha256.create();
  const derived = forge.pkcs12.generateKey(password, saltBuffer, 3, MAC_ROUNDS, 32, sha256);
  const key = Buffer.from(derived.getBytes(), "latin1");
  const digest = createHmac("sha256", key).update(contents).digest();
  const digestInfo = sequence(sequence(oid(SHA256), nothing()), octetString(digest));
  return sequence(digestInfo, octetString(salt), integer(MAC_ROUNDS));
}
