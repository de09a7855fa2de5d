import { createPublicKey } from "node:crypto";
import { existsSync } from "node:fs";
import { Refusal } from "../domain/errors.ts";
import { requireStrongKey } from "../domain/key-policy.ts";
import type { Slug } from "../domain/names.ts";
import type { Clock } from "../domain/ports.ts";
import { LONGEST_COMMON_NAME } from "../domain/profile.ts";
import type { CrlRecord } from "../domain/records.ts";
import { type Instant, formatTime, wholeSeconds } from "../domain/time.ts";
import { PUBLIC, appendDurably, readInput, writeFileAtomically } from "../files/files.ts";
import { makeCaCertificate } from "../x509/ca-certificate.ts";
import { commonNameOf, issuingCaFaults } from "../x509/ca-reader.ts";
import { readCertificate } from "../x509/certificate-reader.ts";
import { codec } from "../x509/codec.ts";
import { type ReadCrl, readCrl } from "../x509/crl-reader.ts";
import { issuerUrls } from "../x509/leaf-writer.ts";
import { toPem } from "../x509/pem.ts";
import { caTemplate } from "./authorities.ts";
import type { Root } from "./root.ts";

/**
 * Has the root sign an issuing CA's CSR, of which only the key counts. What is about to be signed is in the root's
 * journal first.
 *
 * @param wanted.life milliseconds; it never outlives the root
 * @returns the certificate, DER.
 * @throws Refusal CSR_*, KEY_*, ISSUER_INVALID.
 */
export async function signIssuer(
  root: Root,
  clock: Clock,
  wanted: { readonly csr: Uint8Array; readonly name: Slug; readonly life: number },
): Promise<Buffer> {
  const { place, issuer } = root;
  const request = codec.parseRequest(wanted.csr);
  codec.verifyPossession(request);
  requireStrongKey(request.key);
  if (Buffer.from(request.spki).equals(issuer.signer.spki)) {
    throw new Refusal("ISSUER_INVALID", "That is the root's own key.");
  }
  const publicKey = createPublicKey({ key: Buffer.from(request.spki), format: "der", type: "spki" });
  const commonName = `${organisation(root)} Issuing CA ${wanted.name}`.slice(0, LONGEST_COMMON_NAME);
  const life = Math.min(wanted.life, issuer.notAfter - wholeSeconds(clock.now()));
  const crlUrl = place.publicUrl === undefined ? undefined : issuerUrls(place.publicUrl, issuer.id).crl;
  const template = { ...caTemplate(clock, commonName, 0, life), crlUrl };
  journal(root, clock.now(), {
    ...{ signs: "issuer", name: wanted.name, commonName, serial: template.serial },
    ...{ spki: request.spkiHash, notAfter: formatTime(template.notAfter) },
  });
  const der = await makeCaCertificate({ publicKey, keyType: request.keyType }, template, {
    certificate: issuer.der,
    keys: root.keys,
  });
  const faults = issuingCaFaults(der, issuer.der, issuer.id);
  if (!Buffer.from(readCertificate(der).spki).equals(request.spki)) faults.push("it is for another key");
  if (faults.length > 0)
    throw new Error(`a signed CA certificate is not what was meant: ${faults.join(", ")}`);
  return der;
}

/**
 * Has the root sign its next CRL, with what was on the one before.
 *
 * @param previous the latest that is known here
 * @param life milliseconds
 */
export async function signRootCrl(
  root: Root,
  clock: Clock,
  previous: ReadCrl | undefined,
  life: number,
): Promise<Omit<CrlRecord, "basis">> {
  const { issuer } = root;
  const number = (previous?.number ?? 0) + 1;
  const thisUpdate = wholeSeconds(clock.now());
  const nextUpdate = Math.min(thisUpdate + life, issuer.notAfter);
  journal(root, clock.now(), { signs: "crl", number, nextUpdate: formatTime(nextUpdate) });
  const entries = previous?.entries ?? [];
  const der = await codec.signCrl(issuer, { number, thisUpdate, nextUpdate, entries });
  const none = { scheduled: undefined, base: undefined, delta: undefined };
  return { issuerId: issuer.id, number, thisUpdate, nextUpdate, der, ...none };
}

/** Reads a CRL of this root. Throws CRL_INVALID. */
export function readRootCrl(bytes: Uint8Array, root: Uint8Array): ReadCrl {
  try {
    return readCrl(bytes, root);
  } catch (error) {
    throw new Refusal("CRL_INVALID", `This is no CRL of the root: ${(error as Error).message}.`);
  }
}

/** The latest CRL that lies with a moved root. */
export function storedRootCrl({ place, issuer }: Root): ReadCrl | undefined {
  return place.crl !== undefined && existsSync(place.crl)
    ? readRootCrl(readInput(place.crl), issuer.der)
    : undefined;
}

/** Keeps the latest CRL with a moved root. */
export function storeRootCrl({ place }: Root, der: Uint8Array): void {
  if (place.crl !== undefined) writeFileAtomically(place.crl, toPem("X509 CRL", der), PUBLIC);
}

function journal({ place }: Root, now: Instant, entry: Record<string, unknown>): void {
  appendDurably(place.journal, `${JSON.stringify({ time: formatTime(now), ...entry })}\n`);
}

/** What the CA certificates are called, from the root's own name. */
function organisation({ issuer }: Root): string {
  return (commonNameOf(issuer.der) ?? "").replace(/ Root CA$/, "");
}
