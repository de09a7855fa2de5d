import { type KeyObject, X509Certificate } from "node:crypto";
import { type SecureContext, createSecureContext } from "node:tls";
import { Refusal } from "../domain/errors.ts";
import { openPrivateKey } from "../x509/private-key.ts";
import { type ClientCertificate, clientCertificate } from "./certificate-files.ts";
import type { Credentials } from "./renew.ts";

/** What a client is known by, read and checked. */
export interface Identity extends ClientCertificate {
  readonly privateKey: KeyObject;
  /** As it was given, PEM; perhaps encrypted. */
  readonly key: string;
  /** The root, PEM. */
  readonly ca: string;
}

/** That key and certificate are not of each other: somebody may be changing them just now. */
export class MismatchedPair extends Refusal {
  constructor() {
    super("FILE_UNREADABLE", "The key is not that of the certificate.");
  }
}

/**
 * Reads what a client is known by. An encrypted key is opened here, once: each handshake would take a tenth of a second
 * otherwise.
 *
 * @throws Refusal FILE_UNREADABLE, PASSWORD_WRONG; MismatchedPair
 */
export function readIdentity({ key, cert, ca, passphrase }: Credentials): Identity {
  const leaf = certificateIn(cert, "certificate");
  certificateIn(ca, "CA's root");
  const privateKey = openPrivateKey(key, passphrase, "The key");
  if (!leaf.checkPrivateKey(privateKey)) throw new MismatchedPair();
  return { ...clientCertificate(leaf, cert), privateKey, key, ca };
}

/** The private key, PEM, not encrypted. */
export function openedKey({ privateKey }: Identity): string {
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

/**
 * What a connection with this identity is made of. The roots of the system are not trusted.
 *
 * @param moreCas that services are trusted by, beside our own root; PEM
 */
export function contextOf(identity: Identity, moreCas: readonly string[]): SecureContext {
  return createSecureContext({
    key: openedKey(identity),
    cert: identity.pem,
    ca: [identity.ca, ...moreCas],
  });
}

function certificateIn(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `The ${what} is not a certificate as PEM.`, String(error));
  }
}
