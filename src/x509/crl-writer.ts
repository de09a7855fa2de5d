import type { Issuer } from "../domain/ports.ts";
import type { CrlEntry } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { algorithmFor } from "./algorithms.ts";
import { bitString, context, enumerated, generalizedTime, integer, sequence, time } from "./der-writer.ts";
import { authorityKeyIdentifier, extension, extensionIds } from "./extensions.ts";

/**
 * Signs a full CRL (RFC 5280 §5) with CRLNumber and AKI.
 *
 * @returns the CRL, DER.
 */
export async function signCrl(
  issuer: Issuer,
  crl: { number: number; thisUpdate: Instant; nextUpdate: Instant; entries: readonly CrlEntry[] },
): Promise<Uint8Array> {
  const { identifier } = algorithmFor(issuer.signer.keyType);
  const entries = crl.entries.map(encodeEntry);
  const tbs = sequence(
    integer(1),
    identifier,
    issuer.subject,
    time(crl.thisUpdate),
    time(crl.nextUpdate),
    // An empty list is left out (§5.1.2.6).
    ...(entries.length > 0 ? [sequence(Buffer.concat(entries))] : []),
    context(
      0,
      true,
      sequence(
        authorityKeyIdentifier(issuer.id),
        extension(extensionIds.crlNumber, false, integer(crl.number)),
      ),
    ),
  );
  return sequence(tbs, identifier, bitString(await issuer.signer.sign(tbs)));
}

function encodeEntry(entry: CrlEntry): Buffer {
  const fields = [integer(entry.serial), time(entry.at)];
  const extensions: Buffer[] = [];
  if (entry.reason !== undefined) {
    extensions.push(extension(extensionIds.reasonCode, false, enumerated(entry.reason)));
  }
  if (entry.invalidityAt !== undefined) {
    extensions.push(extension(extensionIds.invalidityDate, false, generalizedTime(entry.invalidityAt)));
  }
  if (extensions.length > 0) fields.push(sequence(...extensions));
  return sequence(...fields);
}
