import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PresentedCertificate } from "../domain/decision.ts";
import { parseFingerprint } from "../domain/identifiers.ts";
import { purposeIds } from "../domain/profile.ts";

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
  const leaf = socket.getPeerX509Certificate();
  if (!leaf) return undefined;
  const fault = socket.authorized ? undefined : (faults[verificationCode(socket)] ?? "other");
  return describeLeaf(leaf, fault, () => issuers.some((issuer) => isSignedBy(leaf, issuer)));
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
  return {
    ...whatItSays(leaf),
    authorized: fault === undefined,
    fault,
    signedByUs: (fault === "purpose" || fault === "time") && signedByUs(),
  };
}

type Said = Pick<PresentedCertificate, "fingerprint" | "isCa" | "clientAuth">;

/** By the fingerprint as Node writes it: the same octets say the same, and most callers come again. */
const said = new Map<string, Said>();
/** Anybody may present certificates without end. */
const MOST_KEPT = 10_000;

function whatItSays(leaf: X509Certificate): Said {
  const { fingerprint256 } = leaf;
  const before = said.get(fingerprint256);
  if (before) return before;
  // Node's types leave out that an absent extension is undefined.
  const purposes = leaf.keyUsage as string[] | undefined;
  const clientAuth = purposes?.includes(purposeIds.clientAuth) ?? false;
  const read = { fingerprint: parseFingerprint(fingerprint256), isCa: leaf.ca, clientAuth };
  if (said.size >= MOST_KEPT) said.clear();
  said.set(fingerprint256, read);
  return read;
}

export function isSignedBy(leaf: X509Certificate, issuer: X509Certificate): boolean {
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}

/** Typed as an Error by Node, but a server's socket has the code as a string. */
function verificationCode(socket: TLSSocket): string {
  const error: unknown = socket.authorizationError;
  return typeof error === "string" ? error : "";
}
