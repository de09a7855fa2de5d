import { type Enrolled, askForCertificate } from "./enroll.ts";

/** What a client calls with, PEM. */
export interface Credentials {
  readonly key: string;
  /** The leaf, then its issuing CA. */
  readonly cert: string;
  /** The root. */
  readonly ca: string;
  /** Opens the key, when it is encrypted. */
  readonly passphrase?: string | undefined;
}

/**
 * Renews a credential: sends a CSR over mTLS with the credential itself. The same CSR gets the same certificate for as
 * long as anybody asks, so it is to be kept until the answer is.
 *
 * @param csr PEM
 * @throws Refusal with the CA's own code when it refuses; SERVER_UNTRUSTED, SERVER_UNREACHABLE.
 */
export function renew(caUrl: string, credentials: Credentials, csr: string): Promise<Enrolled> {
  const { passphrase, ...pems } = credentials;
  const tls = { ...pems, ...(passphrase === undefined ? {} : { passphrase }) };
  return askForCertificate(caUrl, "v1/certificates/renew", tls, csr);
}
