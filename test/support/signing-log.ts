import type { Issuer } from "../../src/domain/ports.ts";
import { DerReader, tags } from "../../src/x509/der-reader.ts";

/** The serial number in what is signed for a certificate: a TBSCertificate (RFC 5280 §4.1), DER. Lower-case hex. */
export function serialIn(tbs: Uint8Array): string {
  const fields = new DerReader(tbs).enter(tags.sequence);
  fields.read(0xa0); // the version
  return Buffer.from(fields.integer()).toString("hex").replace(/^0+/, "");
}

/** The same issuer; every serial that it puts its signature to is told first. */
export function observed(issuer: Issuer, onSign: (serial: string) => void): Issuer {
  const { signer } = issuer;
  return {
    ...issuer,
    signer: {
      ...signer,
      sign: (data) => {
        onSign(serialIn(data));
        return signer.sign(data);
      },
    },
  };
}
