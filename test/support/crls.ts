import { parseSerial } from "../../src/domain/identifiers.ts";
import type { CrlEntry } from "../../src/domain/records.ts";
import { x509 } from "../../src/x509/library.ts";

/** What a CRL (DER) lists, as the library reads it. */
export function entriesIn(der: Uint8Array | undefined): CrlEntry[] {
  return new x509.X509Crl(Buffer.from(der ?? [])).entries.map((entry) => ({
    serial: parseSerial(entry.serialNumber),
    at: entry.revocationDate.getTime(),
    reason: entry.reason,
  }));
}
