import { type KeyObject, X509Certificate } from "node:crypto";
import { type SecureContext, createSecureContext } from "node:tls";
import { Refusal } from "../../domain/errors.ts";
import { openPrivateKey } from "../../x509/private-key.ts";
import { type ClientCertificate, type ClientFiles, clientCertificate } from "../files/certificate-files.ts";
import type { Credentials } from "../renewal/renew.ts";

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
  constructor({ key, cert }: ClientFiles) {
    super("FILE_UNREADABLE", `${key} and ${cert.replace(/^The /, "the ")} do not go together.`);
  }
}

/** What things are called that are in no files. */
const unnamed: ClientFiles = { key: "The key", cert: "The certificate", ca: "The CA's root" };

/**
 * Reads what a client is known by. An encrypted key is opened here, once: each handshake would take a tenth of a second
 * otherwise.
 *
 * @param names what to call each in a message: its file
 * @throws Refusal FILE_UNREADABLE, PASSWORD_WRONG, PASSWORD_REQUIRED; MismatchedPair
 */
export function readIdentity({ key, cert, ca, passphrase }: Credentials, names = unnamed): Identity {
  const leaf = certificateIn(cert, names.cert);
  certificateIn(ca, names.ca);
  const privateKey = openPrivateKey(key, passphrase, names.key);
  if (!leaf.checkPrivateKey(privateKey)) throw new MismatchedPair(names);
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
    throw new Refusal("FILE_UNREADABLE", `${what} is not a certificate as PEM.`, String(error));
  }
}
