import { X509Certificate, createPublicKey } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { spkiHashOf } from "../domain/identifiers.ts";
import { type KeyType, keyTypeOf } from "../domain/key-policy.ts";
import type { Slug } from "../domain/names.ts";
import type { Database } from "../domain/ports.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { SECRET, createFileAtomically, readInput } from "../files/files.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import { installIssuer } from "../services/issuers.ts";
import type { Mutation } from "../services/record-change.ts";
import { requireRoot } from "../services/root-crl.ts";
import { issuerRecord, issuingCaFaults } from "../x509/ca-reader.ts";
import { codec, issuerFrom } from "../x509/codec.ts";
import { decryptPrivateKey, encryptPrivateKey } from "../x509/private-key.ts";
import { makeRequest } from "../x509/request-writer.ts";
import { installCertificate, openIssuer } from "./issuers.ts";
import { issuerPaths } from "./paths.ts";

/**
 * Makes a further issuing CA's key, encrypted, in the home, and its CSR for the root. A key of that name whose
 * certificate is still to come is used again: what was cut short can be gone on with.
 *
 * @returns the CSR, PEM.
 * @throws Refusal ISSUER_EXISTS, PASSWORD_WRONG, FILE_UNREADABLE.
 */
export async function requestIssuer(
  database: Database,
  config: Config,
  password: string,
  wanted: { readonly name: Slug; readonly keyType: KeyType },
): Promise<string> {
  const { name, keyType } = wanted;
  const issuers = await database.issuers.list();
  if (issuers.some((issuer) => issuer.name === name)) {
    throw new Refusal("ISSUER_EXISTS", `There is an issuing CA '${name}' already.`);
  }
  // One password opens all issuing keys: with another, the server would not start any more.
  const known = issuers.find(({ role }) => role === "issuing");
  if (known) openIssuer(config.home, password, known.name, known.der);
  const { key: file } = issuerPaths(config.home, name);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const made = await makeKeyPair(keyType);
  const isNew = createFileAtomically(file, await encryptPrivateKey(made.privateKey, password), SECRET);
  const privateKey = isNew
    ? made.privateKey
    : decryptPrivateKey(readInput(file).toString("latin1"), password);
  if (keyTypeOf(privateKey) !== keyType) {
    const fault = `${file} is a key of another type, whose certificate is still to come.`;
    throw new Refusal("ISSUER_EXISTS", `${fault} Delete it, or choose another name.`);
  }
  const pair = { privateKey, publicKey: createPublicKey(privateKey) };
  return makeRequest(pair, keyType, `${config.name} Issuing CA ${name}`);
}

/**
 * Takes a further issuing CA into service, with the certificate that the root signed for its key.
 *
 * @param bytes PEM or DER
 * @returns the record, and the change's sequence number.
 * @throws Refusal ISSUER_INVALID, ISSUER_EXISTS, KEY_IN_USE, KEY_BLOCKED, FILE_UNREADABLE, PASSWORD_WRONG.
 */
export async function installIssuerCertificate(
  database: Database,
  config: Config,
  mutation: Mutation,
  password: string,
  wanted: { readonly name: Slug; readonly bytes: Uint8Array },
): Promise<{ readonly record: IssuerRecord; readonly sequence: number }> {
  const { name } = wanted;
  const root = await requireRoot(database);
  const { record, faults } = readIssuerCertificate(wanted.bytes, name, root);
  if (record.notAfter <= mutation.clock.now()) faults.push("it has ended");
  if (faults.length > 0) {
    throw new Refusal(
      "ISSUER_INVALID",
      `The certificate cannot be an issuing CA's here: ${faults.join("; ")}.`,
    );
  }
  const { key: file } = issuerPaths(config.home, name);
  if (!existsSync(file)) {
    throw new Refusal("FILE_UNREADABLE", `${file} is not there: make it with 'issuer csr ${name}' first.`);
  }
  const key = decryptPrivateKey(readInput(file).toString("latin1"), password);
  const signer = memorySigner(key);
  if (spkiHashOf(signer.spki) !== record.spkiHash)
    throw new Refusal("ISSUER_INVALID", `The certificate is not for the key in ${file}.`);
  const issuer = issuerFrom(record.der, signer);
  const sequence = await installIssuer(database, mutation, codec, record, issuer);
  installCertificate(config.home, name, record.der);
  return { record, sequence };
}

function readIssuerCertificate(
  bytes: Uint8Array,
  name: Slug,
  root: IssuerRecord,
): { readonly record: IssuerRecord; readonly faults: string[] } {
  try {
    const der = new X509Certificate(bytes).raw;
    return { record: issuerRecord(der, name, "issuing"), faults: issuingCaFaults(der, root.der, root.id) };
  } catch (error) {
    throw new Refusal("ISSUER_INVALID", "This is not one CA certificate in PEM or DER.", String(error));
  }
}
