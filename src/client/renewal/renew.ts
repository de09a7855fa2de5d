import { MINUTE } from "../../domain/time.ts";
import { otherListener } from "../ca/https.ts";
import { type Enrolled, askForCertificate, caEndpoint } from "../enrol/enroll.ts";

/** For a whole answer: one that comes drop by drop would hold up a renewal for ever. */
const PATIENCE = MINUTE;

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
 * @param options milliseconds until there has to be an answer, and what ends the waiting before
 * @throws Refusal with the CA's own code when it refuses; SERVER_UNTRUSTED, SERVER_UNREACHABLE.
 */
export function renew(
  caUrl: string,
  credentials: Credentials,
  csr: string,
  options: { readonly patience?: number; readonly stop?: AbortSignal | undefined } = {},
): Promise<Enrolled> {
  const { passphrase, ...pems } = credentials;
  const { patience = PATIENCE, stop } = options;
  const end = AbortSignal.timeout(patience);
  const signal = stop ? AbortSignal.any([stop, end]) : end;
  const tls = { ...pems, signal, ...(passphrase === undefined ? {} : { passphrase }) };
  return askForCertificate(caUrl, "v1/certificates/renew", tls, csr).catch((error: unknown) => {
    throw otherListener(
      error,
      "NO_ROUTE",
      () =>
        `${caEndpoint(caUrl, "").host} renews nothing: it is no CA listener, but perhaps an enforcement listener. Give the CA listener's URL.`,
    );
  });
}
