import { inspect } from "node:util";
import { type Fingerprint, parseSerial } from "../../domain/identifiers.ts";
import type { Instant } from "../../domain/time.ts";
import type { Identity } from "./identity.ts";
import type { ClientFiles } from "../files/certificate-files.ts";
import type { Credentials } from "../renewal/renew.ts";

/** A client's credentials, as `enroll()` and renewals give them. Frozen. `key` is not enumerable, so that no log shows it. */
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

/** Under which a copy made with `{ ...credentials }` still has its key: neither JSON nor `for … in` finds a symbol. */
const HELD = Symbol("countersign.key");

/** A key that no log shows, however deep it looks. */
class HeldKey {
  readonly #pem: string;

  constructor(pem: string) {
    this.#pem = pem;
    Object.freeze(this);
  }

  get pem(): string {
    return this.#pem;
  }

  [inspect.custom](): string {
    return "(private)";
  }
}

export function credentialsOf(
  { key, pem: cert, ca, leaf, fingerprint, notBefore, notAfter }: Identity,
  known: Pick<ClientCredentials, "caUrl" | "account" | "files">,
): ClientCredentials {
  const { caUrl, account, files } = known;
  const serial = parseSerial(leaf.serialNumber);
  const shown = { cert, ca, caUrl, account, files, fingerprint, serial, notBefore, notAfter };
  const credentials = { ...shown, key, [HELD]: new HeldKey(key) };
  // Loggers print what is enumerable: pino goes through it by itself, so toJSON alone would not do.
  Object.defineProperty(credentials, "key", { enumerable: false });
  Object.defineProperty(credentials, inspect.custom, { value: () => ({ ...shown, key: "(private)" }) });
  return Object.freeze(credentials);
}

/** The key in credentials, or in a copy of them. */
export function keyIn(credentials: object): unknown {
  if ("key" in credentials) return credentials.key;
  const held: unknown = Reflect.get(credentials, HELD);
  return held instanceof HeldKey ? held.pem : undefined;
}
