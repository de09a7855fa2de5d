import type { Agent, AgentOptions } from "node:https";
import type { Dispatcher } from "undici";
import type { Clock } from "../domain/ports.ts";
import { type ClientCredentials, credentialsOf } from "./client-credentials.ts";
import { type CountersignError, asCountersignError } from "./client-error.ts";
import { type OptionName, refuseFaults, requireOptions } from "./client-options.ts";
import type { EnrollOptions } from "./enroll-client.ts";
import { FileSource, type IdentitySource, memorySource } from "./identity-source.ts";
import { type Identity, contextOf } from "./identity.ts";
import { KeptIdentity } from "./kept-identity.ts";
import type { ClientFiles } from "./renew-files.ts";
import type { Credentials } from "./renew.ts";
import { RenewingAgent } from "./renewing-agent.ts";
import { type DispatcherOptions, dispatcherOptionNames, renewingDispatcher } from "./renewing-dispatcher.ts";

export type { ErrorCode } from "../domain/errors.ts";
export type { KeyType } from "../domain/key-policy.ts";
export type { ClientCredentials } from "./client-credentials.ts";
export { CountersignError, problemOf } from "./client-error.ts";
export type { EnrollOptions } from "./enroll-client.ts";
export type { ClientFiles } from "./renew-files.ts";
export type { DispatcherOptions } from "./renewing-dispatcher.ts";

/** Who a client is, and how that is kept current. */
export interface ClientOptions {
  /** From `enroll()`, or key, certificate with its issuing CA, and root as PEM. For one process alone. */
  readonly credentials?: (Credentials & Partial<ClientCredentials>) | undefined;
  /** Or the files of `countersign enroll`, which several processes may share. */
  readonly files?: ClientFiles | undefined;
  /** Opens the key, when it is encrypted. */
  readonly passphrase?: string | undefined;
  /** The CA listener to renew at; not needed with what `enroll()` gave. */
  readonly caUrl?: string | undefined;
  /** `false` only follows files that somebody else renews, such as `countersign renew --daemon`. */
  readonly renew?: boolean | undefined;
  /** CAs of the services called, PEM, beside our own root; the name to ask for in TLS, in place of the URL's host. */
  readonly tls?:
    { readonly ca?: string | readonly string[] | undefined; readonly servername?: string | undefined } | undefined;
  /** Is told of each renewal: whoever stores credentials of their own stores these. */
  readonly onRenewed?: ((credentials: ClientCredentials) => void) | undefined;
  /** Is told of each attempt to renew that failed; it is tried again. Without it, that is a warning of the process's. */
  readonly onError?: ((error: CountersignError) => void) | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** Of `https.Agent`. */
export type PoolOptions = Pick<AgentOptions, (typeof poolOptionNames)[number]>;

const poolOptionNames = [
  "keepAlive",
  "keepAliveMsecs",
  "maxCachedSessions",
  "maxFreeSockets",
  "maxSockets",
  "maxTotalSockets",
  "scheduling",
  "timeout",
] as const;

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

const systemClock: Clock = { now: () => Date.now() };

/**
 * Makes a key, and has a CA certify it. The key does not leave this process, or the file that it is stored in.
 *
 * @example
 * const credentials = await enroll({ caUrl: "https://ca.example.internal:8443", fingerprint, token });
 *
 * @throws CountersignError SERVER_UNTRUSTED before the token is sent, when the root has another fingerprint;
 * SERVER_UNREACHABLE; TOKEN_USED and the CA's other codes; CONFIG_INVALID, naming every fault; FILE_EXISTS.
 */
export async function enroll(options: EnrollOptions): Promise<ClientCredentials> {
  try {
    const required = ["caUrl", "fingerprint", "token"] as const;
    requireOptions("enroll()", options, [...required, "keyType", "files", "passphrase"], required);
    const { files, passphrase } = options;
    if (passphrase !== undefined && !files)
      refuseFaults("enroll()", ["passphrase: it encrypts the key's file, and there are no files"]);
    return await (await import("./enroll-client.ts")).enrollClient(options);
  } catch (error) {
    throw asCountersignError(error);
  }
}

/**
 * An agent for `https.request()`, and whatever takes one, that calls with a certificate and renews it in the background.
 * Connections that are opened after a renewal have the new one; no request fails because of it. `destroy()` it in the end.
 *
 * @example
 * const agent = createAgent({ credentials });
 * https.get("https://orders.example.internal", { agent }, (response) => response.pipe(process.stdout));
 *
 * @throws CountersignError CONFIG_INVALID, FILE_UNREADABLE, PASSWORD_WRONG
 */
export function createAgent(options: ClientOptions & PoolOptions): Agent {
  return make("createAgent()", options, poolOptionNames, (kept, contextFor, pool) => {
    const { servername } = options.tls ?? {};
    return new RenewingAgent(kept, contextFor, { ...pool, ...(servername === undefined ? {} : { servername }) });
  });
}

/**
 * The same as a dispatcher: for `fetch(url, { dispatcher })`, Node's own and undici's, and undici's other functions.
 * `close()` it in the end.
 *
 * @example
 * const dispatcher = createDispatcher({ credentials });
 * const response = await fetch("https://orders.example.internal", { dispatcher });
 *
 * @throws CountersignError CONFIG_INVALID, FILE_UNREADABLE, PASSWORD_WRONG
 */
export function createDispatcher(options: ClientOptions & DispatcherOptions): Dispatcher {
  return make("createDispatcher()", options, dispatcherOptionNames, (kept, contextFor, pool) =>
    renewingDispatcher(kept, contextFor, { ...pool, servername: options.tls?.servername }),
  );
}

function make<Name extends string, Pool extends { readonly [N in Name]?: unknown }, Made>(
  where: string,
  options: ClientOptions & Pool,
  poolNames: readonly Name[],
  construct: (
    kept: KeptIdentity,
    contextFor: (identity: Identity) => ReturnType<typeof contextOf>,
    pool: Pick<Pool, Name>,
  ) => Made,
): Made {
  try {
    requireOptions(where, options, clientOptionNames, [], poolNames);
    const kept = keep(where, options);
    const given = poolNames.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
    const moreCas = [options.tls?.ca ?? []].flat();
    return construct(kept, (identity) => contextOf(identity, moreCas), Object.fromEntries(given) as Pick<Pool, Name>);
  } catch (error) {
    throw asCountersignError(error);
  }
}

function keep(where: string, options: ClientOptions): KeptIdentity {
  const { credentials, clock = systemClock, onRenewed, onError = warn } = options;
  const files = options.files ?? credentials?.files;
  const caUrl = options.renew === false ? undefined : (options.caUrl ?? credentials?.caUrl);
  const faults: string[] = [];
  if ((options.files === undefined) === (credentials === undefined))
    faults.push("it takes either credentials or files");
  if (options.renew !== false && caUrl === undefined) faults.push("caUrl: missing, or renew: false");
  refuseFaults(where, faults);
  const known = { caUrl, files, account: credentials?.account };
  return new KeptIdentity({
    source: sourceOf(files ?? credentials, options.passphrase, clock),
    ...{ clock, caUrl, onError },
    onRenewed: (identity) => onRenewed?.(credentialsOf(identity, known)),
  });
}
