import { type X509Certificate, hash } from "node:crypto";
import { type Incoming, type Transport, tlsOf, transportOf } from "../transport.ts";
import type { CertificateHeaders } from "./identity-headers.ts";

const known = new WeakMap<Transport, CertificateHeaders>();

/**
 * What the certificate of a caller that was let through says to upstreams.
 *
 * @param issuers the CAs that callers' certificates may be of
 * @returns `undefined` when the connection is gone
 */
export function certificateHeaders(
  request: Incoming,
  issuers: readonly X509Certificate[],
): CertificateHeaders | undefined {
  const transport = transportOf(request);
  if (!transport) return undefined;
  const before = known.get(transport);
  if (before) return before;
  const leaf = tlsOf(transport).getPeerX509Certificate();
  if (!leaf) return undefined;
  const issuer = issuers.find((one) => leaf.checkIssued(one));
  const headers = { "client-cert": clientCert(leaf, issuer), xfcc: xfcc(leaf) };
  known.set(transport, headers);
  return headers;
}

/** RFC 9440 §2.2, §2.3: structured fields (RFC 8941 §3.3.5), the chain without leaf and root. */
function clientCert(leaf: X509Certificate, issuer: X509Certificate | undefined): string[] {
  const binary = ({ raw }: X509Certificate): string => `:${raw.toString("base64")}:`;
  return ["Client-Cert", binary(leaf), ...(issuer ? ["Client-Cert-Chain", binary(issuer)] : [])];
}

/** Envoy's x-forwarded-client-cert, of this hop alone. */
function xfcc(leaf: X509Certificate): string[] {
  const uri = uriOf(leaf);
  const fields = [
    `Hash=${hash("sha256", leaf.raw, "hex")}`,
    `Cert="${encodeURIComponent(leaf.toString())}"`,
    `Subject="${subjectOf(leaf)}"`,
    ...(uri === undefined ? [] : [`URI=${uri}`]),
  ];
  return ["X-Forwarded-Client-Cert", fields.join(";")];
}

/**
 * The subject (RFC 2253), with `?` for what would have to be escaped, once for it and once more for the quotes around it: not
 * everybody undoes both, and who does not would read on in what a CA of others wrote.
 */
function subjectOf(leaf: X509Certificate): string {
  // Node's types leave out that an empty subject is undefined (RFC 5280 §4.1.2.6 has it with a critical SAN).
  const lines = (leaf.subject as string | undefined)?.split("\n") ?? [];
  const escaped = /\\(?:[0-9A-F]{2}|.)/g;
  return lines
    .reverse()
    .join(",")
    .replaceAll(escaped, "?")
    .replaceAll(/[^ -~]|"/g, "?");
}

/** The first URI, where no reader can find the end of it, of its field or of its element within it. */
function uriOf({ subjectAltName = "" }: X509Certificate): string | undefined {
  // Names with a comma are in quotes, and have it as \u002c there.
  const first = /(?:^|, )URI:([^,]*)/.exec(subjectAltName)?.[1] ?? "";
  return /^[A-Za-z0-9._~:/@+-]+$/.test(first) ? first : undefined;
}
