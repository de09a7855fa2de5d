import { Refusal } from "../domain/errors.ts";
import type { CertificateId } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";

/** Throws NOT_FOUND, and ID_AMBIGUOUS when issuers share the serial. */
export async function findCertificate(stores: Stores, id: CertificateId): Promise<CertificateRecord> {
  const found =
    "fingerprint" in id
      ? await stores.certificates.byFingerprints([id.fingerprint])
      : await stores.certificates.bySerials([id.serial]);
  if (found.length > 1) throw new Refusal("ID_AMBIGUOUS");
  if (!found[0]) throw new Refusal("NOT_FOUND", "No certificate on record goes by that.");
  return found[0];
}
