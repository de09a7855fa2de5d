import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PresentedCertificate } from "../domain/decision.ts";
import { parseFingerprint } from "../domain/identifiers.ts";

/** id-kp-clientAuth (RFC 5280 §4.2.1.12). */
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

const faults: Readonly<Record<string, PresentedCertificate["fault"]>> = {
  CERT_HAS_EXPIRED: "time",
  CERT_NOT_YET_VALID: "time",
  INVALID_PURPOSE: "purpose",
};

/**
 * Reads what a caller presented: the leaf and OpenSSL's verdict, never the rest of the chain, which a resumed session
 * may lack. Costly; once per socket. The fingerprint is over the raw DER: nothing in a certificate is compared as text.
 *
 * @param issuers the certificates of our own issuers
 * @returns `undefined` without a leaf, whatever `authorized` says.
 */
export function presentedCertificate(
  socket: TLSSocket,
  issuers: readonly X509Certificate[],
): PresentedCertificate | undefined {
  const leaf = socket.getPeerX509Certificate();
  if (!leaf) return undefined;
  const fault = socket.authorized ? undefined : (faults[verificationCode(socket)] ?? "other");
  return {
    fingerprint: parseFingerprint(leaf.fingerprint256),
    authorized: socket.authorized,
    fault,
    signedByUs: fault === "purpose" && issuers.some((issuer) => isSignedBy(leaf, issuer)),
    isCa: leaf.ca,
    // Node's types leave out that an absent extension is undefined.
    clientAuth: (leaf.keyUsage as string[] | undefined)?.includes(CLIENT_AUTH) ?? false,
  };
}

/** Typed as an Error by Node, but a server's socket has the code as a string. */
function verificationCode(socket: TLSSocket): string {
  const error: unknown = socket.authorizationError;
  return typeof error === "string" ? error : "";
}

export function isSignedBy(leaf: X509Certificate, issuer: X509Certificate): boolean {
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}
