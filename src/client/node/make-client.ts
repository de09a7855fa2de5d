import { X509Certificate } from "node:crypto";
import type { SecureContext } from "node:tls";
import { fingerprintOf } from "../../domain/identifiers.ts";
import { refuseFaults } from "../../domain/option-faults.ts";
import type { Clock } from "../../domain/ports.ts";
import { type ClientCredentials, credentialsOf, keyIn } from "./client-credentials.ts";
import { type CountersignError, asCountersignError } from "./client-error.ts";
import { type OptionName, requireOptions } from "./client-options.ts";
import type { ClientFiles } from "../files/certificate-files.ts";
import { FileSource, memorySource } from "./identity-source.ts";
import { type Identity, contextOf, readIdentity } from "./identity.ts";
import { KeptIdentity } from "./kept-identity.ts";
import { rememberedCaUrl } from "../ca/known-cas.ts";
import type { Credentials } from "../renewal/renew.ts";

/** Who a client is, and how that is kept current. */
export interface ClientOptions {
  /** From `enroll()`, or key, certificate with its issuing CA, and root as PEM. For one process alone. */
  readonly credentials?: (Credentials & Partial<ClientCredentials>) | undefined;
  /** Or the files of `countersign enroll`, which several processes may share. */
  readonly files?: ClientFiles | undefined;
  /** Opens the key, when it is encrypted. */
  readonly passphrase?: string | undefined;
  /** The CA listener to renew at; not needed with what `enroll()` gave, or where `countersign enroll` remembers it. */
  readonly caUrl?: string | undefined;
  /** `false` only follows files that somebody else renews, such as `countersign renew --daemon`. */
  readonly renew?: boolean | undefined;
  /** CAs of the services called, PEM, beside our own root; the name to ask for in TLS, in place of the URL's host. */
  readonly tls?:
    | { readonly ca?: string | readonly string[] | undefined; readonly servername?: string | undefined }
    | undefined;
  /** Is told of each renewal. */
  readonly onRenewed?: ((credentials: ClientCredentials) => void) | undefined;
  /** Is told of each attempt to renew that failed; it is tried again. Without it, that is a warning of the process's. */
  readonly onError?: ((error: CountersignError) => void) | undefined;
  /** What time it is, in milliseconds since 1970; for tests. */
  readonly clock?: Clock | undefined;
}

const clientOptionNames = [
  "credentials",
  "files",
  "passphrase",
  "caUrl",
  "renew",
  "tls",
  "onRenewed",
  "onError",
  "clock",
] as const satisfies readonly OptionName[];

/**
 * Makes what calls with an identity that is kept current.
 *
 * @param where whose options they are, for messages: `createAgent()`
 * @param passedOn the names of further options, which what is made looks at itself
 * @throws CountersignError CONFIG_INVALID, FILE_UNREADABLE, PASSWORD_WRONG
 */
export function makeClient<Made>(
  where: string,
  options: ClientOptions,
  systemClock: Clock,
  passedOn: readonly string[],
  construct: (kept: KeptIdentity, contextFor: (identity: Identity) => SecureContext) => Made,
): Made {
  try {
    requireOptions(where, options, clientOptionNames, [], passedOn);
    const kept = keep(where, options, systemClock);
    const moreCas = [options.tls?.ca ?? []].flat();
    try {
      return construct(kept, (identity) => contextOf(identity, moreCas));
    } catch (error) {
      kept.stop();
      throw error;
    }
  } catch (error) {
    throw asCountersignError(error);
  }
}

function keep(where: string, options: ClientOptions, systemClock: Clock): KeptIdentity {
  const { credentials, clock = systemClock, onRenewed, onError = warn } = options;
  const files = options.files ?? credentials?.files;
  refuseFaults(where, missing(options));
  const inFiles = files && new FileSource(files, options.passphrase, clock);
  const identity = inFiles?.current ?? identityOf(options);
  const caUrl =
    options.renew === false ? undefined : (options.caUrl ?? credentials?.caUrl ?? remembered(identity));
  if (options.renew !== false && caUrl === undefined)
    refuseFaults(where, ["caUrl: missing, unless renew is false"]);
  const source = inFiles ?? memorySource(identity, clock);
  const known = { caUrl, files, account: credentials?.account };
  // What the callbacks throw is their owner's, and no fault of a renewal.
  return new KeptIdentity({
    ...{ source, clock, caUrl, random: Math.random },
    onRenewed: (identity) => {
      if (onRenewed) process.nextTick(onRenewed, credentialsOf(identity, known));
    },
    onError: (error) => {
      process.nextTick(onError, error);
    },
  });
}

function missing({ credentials, files, renew }: ClientOptions): string[] {
  const faults: string[] = [];
  if (!credentials === !files) faults.push("it takes either credentials or files");
  if (renew === false && !files && !credentials?.files)
    faults.push("renew: without files there is nothing to follow");
  return faults;
}

/** Where `countersign enroll` remembers that the CA with this root is. */
function remembered({ ca }: Identity): string | undefined {
  return rememberedCaUrl(fingerprintOf(new X509Certificate(ca).raw), process.env);
}

function identityOf({ credentials, passphrase }: ClientOptions): Identity {
  const { cert = "", ca = "" } = credentials ?? {};
  const key = String(keyIn(credentials ?? {}));
  return readIdentity({ key, cert, ca, passphrase: passphrase ?? credentials?.passphrase });
}

function warn({ code, message }: CountersignError): void {
  process.emitWarning(`The certificate was not renewed: ${message}`, { type: "CountersignWarning", code });
}
