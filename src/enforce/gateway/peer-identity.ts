import { X509Certificate } from "node:crypto";
import type { Caller } from "../../domain/decision.ts";
import { leafOf } from "../presented-certificate.ts";
import { type Incoming, type Transport, tlsOf, transportOf } from "../transport.ts";
import type { Identity } from "./identity-headers.ts";

type Certificates = Omit<Identity, "caller">;

/** What certificates say does not change on a connection. */
const known = new WeakMap<Transport, Certificates>();

/**
 * What an upstream may learn of a caller that was let through.
 *
 * @param issuers the CAs that callers' certificates may be of
 * @returns `undefined` when the connection is gone
 */
export function identityOf(
  request: Incoming,
  caller: Caller,
  issuers: readonly X509Certificate[],
): Identity | undefined {
  const transport = transportOf(request);
  if (!transport) return undefined;
  let certificates = known.get(transport);
  if (!certificates) {
    const leaf = leafOf(tlsOf(transport));
    if (!leaf) return undefined;
    certificates = describe(new X509Certificate(leaf), issuers);
    known.set(transport, certificates);
  }
  return { ...certificates, caller };
}

export function describe(leaf: X509Certificate, issuers: readonly X509Certificate[]): Certificates {
  const issuer = issuers.find((one) => leaf.checkIssued(one));
  return {
    chain: [leaf, ...(issuer ? [issuer] : [])].map(({ raw }) => raw),
    leafPem: leaf.toString(),
    subject: leaf.subject
      .split("\n")
      .reverse()
      .join(",")
      .replaceAll(/[^ -~]/g, "?"),
    uri: /(?:^|, )URI:([^",]+)/.exec(leaf.subjectAltName ?? "")?.[1],
  };
}
