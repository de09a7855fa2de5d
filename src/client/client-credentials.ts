import { inspect } from "node:util";
import { type Fingerprint, parseSerial } from "../domain/identifiers.ts";
import type { Instant } from "../domain/time.ts";
import type { Identity } from "./identity.ts";
import type { ClientFiles } from "./certificate-files.ts";
import type { Credentials } from "./renew.ts";

/** A client's credentials, as `enroll()` and renewals give them. Frozen; a log shows no key. */
export interface ClientCredentials extends Omit<Credentials, "passphrase"> {
  /** Where they were enrolled, and are renewed. */
  readonly caUrl?: string | undefined;
  /** The account's slug; known of what `enroll()` gave. */
  readonly account?: string | undefined;
  /** Where they are stored. An agent keeps these files up to date then, and not what it was given. */
  readonly files?: ClientFiles | undefined;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: Fingerprint;
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since 1970, as `notAfter`. */
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

export function credentialsOf(
  { key, pem: cert, ca, leaf, fingerprint, notBefore, notAfter }: Identity,
  known: Pick<ClientCredentials, "caUrl" | "account" | "files">,
): ClientCredentials {
  const { caUrl, account, files } = known;
  const serial = parseSerial(leaf.serialNumber);
  const credentials = { key, cert, ca, caUrl, account, files, fingerprint, serial, notBefore, notAfter };
  const shown = (): object => ({ ...credentials, key: "(private)" });
  Object.defineProperty(credentials, inspect.custom, { value: shown });
  return Object.freeze(credentials);
}
