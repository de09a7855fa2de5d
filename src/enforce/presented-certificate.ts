import { type X509Certificate, hash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PresentedCertificate } from "../domain/decision.ts";
import { parseFingerprint } from "../domain/identifiers.ts";
import { purposeIds } from "../domain/profile.ts";
import { peerInSession } from "./session-peer.ts";

const faults: Readonly<Record<string, PresentedCertificate["fault"]>> = {
  CERT_HAS_EXPIRED: "time",
  CERT_NOT_YET_VALID: "time",
  INVALID_PURPOSE: "purpose",
};

/**
 * Reads what a caller presented: the leaf and OpenSSL's verdict, never the rest of the chain, which a resumed session
 * may lack. Costly; once per socket.
 *
 * @param issuers the certificates of our own issuers
 * @returns `undefined` without a leaf, whatever `authorized` says.
 */
export function presentedCertificate(
  socket: TLSSocket,
  issuers: readonly X509Certificate[],
): PresentedCertificate | undefined {
  const before = socket.authorized ? authorizedBefore(socket) : undefined;
  if (before) return before;
  const leaf = socket.getPeerX509Certificate();
  if (!leaf) return undefined;
  const fault = socket.authorized ? undefined : (faults[verificationCode(socket)] ?? "other");
  const presented = describeLeaf(leaf, fault, () => issuers.some((issuer) => isSignedBy(leaf, issuer)));
  if (presented.authorized) keep(presented);
  return presented;
}

/**
 * What the decision asks of a certificate. The fingerprint is over the raw DER: nothing in it is compared as text.
 *
 * @param signedByUs asked only when OpenSSL reports purpose or time, which it does of anybody's
 */
export function describeLeaf(
  leaf: X509Certificate,
  fault: PresentedCertificate["fault"],
  signedByUs: () => boolean,
): PresentedCertificate {
  // Node's types leave out that an absent extension is undefined.
  const purposes = leaf.keyUsage as string[] | undefined;
  return {
    fingerprint: parseFingerprint(leaf.fingerprint256),
    authorized: fault === undefined,
    fault,
    signedByUs: (fault === "purpose" || fault === "time") && signedByUs(),
    isCa: leaf.ca,
    clientAuth: purposes?.includes(purposeIds.clientAuth) ?? false,
  };
}

/** What TLS refuses for good is not worth asking the store about; a fault of time in our own is: the record says which. */
export function mayBeLookedUp(presented: PresentedCertificate): boolean {
  if (presented.fault === "time") return presented.signedByUs;
  return presented.authorized && presented.clientAuth && !presented.isCa;
}

/** Certificates that Node has read, of callers that OpenSSL found nothing wrong with: the same octets say the same. */
const kept = new Map<string, PresentedCertificate>();
const MOST_KEPT = 50_000;

function keep(presented: PresentedCertificate): void {
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(presented.fingerprint, presented);
}

/**
 * A certificate that was read before: most callers come again. Node would make an object of it, and of each that came with
 * it; that, and freeing them, is most of what all of a decision at the handshake costs (docs/performance.md).
 */
function authorizedBefore(socket: TLSSocket): PresentedCertificate | undefined {
  const session = socket.getSession();
  const leaf = session && peerInSession(session);
  const fingerprint = leaf && hash("sha256", leaf, "hex");
  session?.fill(0); // its secret is in it
  return fingerprint === undefined ? undefined : kept.get(fingerprint);
}

export function isSignedBy(leaf: X509Certificate, issuer: X509Certificate): boolean {
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}

/** Typed as an Error by Node, but a server's socket has the code as a string. */
function verificationCode(socket: TLSSocket): string {
  const error: unknown = socket.authorizationError;
  return typeof error === "string" ? error : "";
}
