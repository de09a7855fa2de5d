import { context, integer, oid, sequence, set } from "./der-writer.ts";

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const DATA = "1.2.840.113549.1.7.1";

/**
 * Certificates (DER) in a PKCS#7 message without content or signer, DER: the "certs-only" form of CMC's Simple PKI
 * Response (RFC 5272 §4.1), which EST answers with (RFC 7030 §4.1.3, §4.2.3). The library writes an empty content, where
 * there is to be none.
 */
export function certsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  const inOrder = [...certificates].sort((one, other) => Buffer.compare(one, other)); // a SET OF, in DER
  const signedData = sequence(
    integer(1), // RFC 5652 §5.1: with certificates of X.509 alone
    set(),
    sequence(oid(DATA)),
    context(0, true, ...inOrder),
    set(),
  );
  return sequence(oid(SIGNED_DATA), context(0, true, signedData));
}
