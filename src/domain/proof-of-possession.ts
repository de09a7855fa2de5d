/**
 * What is signed to prove that a key has leaked. The first line keeps such a signature from being one of anything else:
 * a TLS handshake's begins with 64 spaces (RFC 8446 §4.4.3), that of a CSR, certificate, CRL or OCSP answer with 0x30.
 *
 * @param nonce as the server gave it
 */
export function compromiseMessage(nonce: string): Buffer {
  return Buffer.from(`countersign key compromise\n${nonce}`, "ascii");
}
