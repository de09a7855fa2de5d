import type { Agent, AgentOptions } from "node:https";
import type { Dispatcher } from "undici";
import { refuseFaults } from "../domain/option-faults.ts";
import type { Clock } from "../domain/ports.ts";
import type { ClientCredentials } from "./node/client-credentials.ts";
import { asCountersignError } from "./node/client-error.ts";
import { requireOptions } from "./node/client-options.ts";
import type { EnrollOptions } from "./node/enroll-client.ts";
import { type ClientOptions, makeClient } from "./node/make-client.ts";
import { RenewingAgent } from "./node/renewing-agent.ts";
import {
  type DispatcherOptions,
  dispatcherOptionNames,
  renewingDispatcher,
} from "./node/renewing-dispatcher.ts";

export type { ErrorCode } from "../domain/errors.ts";
export type { KeyType } from "../domain/key-policy.ts";
export type { ClientFiles } from "./files/certificate-files.ts";
export type { ClientCredentials } from "./node/client-credentials.ts";
export { CountersignError, problemOf } from "./node/client-error.ts";
export type { EnrollOptions } from "./node/enroll-client.ts";
export type { ClientOptions } from "./node/make-client.ts";
export type { DispatcherOptions } from "./node/renewing-dispatcher.ts";

/** What undici takes, and Node's own `fetch`, whose types are those of another version of undici. */
export type ClientDispatcher = Dispatcher &
  (RequestInit extends { readonly dispatcher?: infer Taken } ? NonNullable<Taken> : unknown);

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
    return await (await import("./node/enroll-client.ts")).enrollClient(options);
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
  return makeClient("createAgent()", options, systemClock, poolOptionNames, (kept, contextFor) => {
    return new RenewingAgent(kept, contextFor, {
      ...pick(options, poolOptionNames),
      ...servernameOf(options),
    });
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
export function createDispatcher(options: ClientOptions & DispatcherOptions): ClientDispatcher {
  return makeClient("createDispatcher()", options, systemClock, dispatcherOptionNames, (kept, contextFor) => {
    const pool = pick(options, dispatcherOptionNames);
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- one undici's is the other's
    return renewingDispatcher(kept, contextFor, pool, servernameOf(options)) as ClientDispatcher;
  });
}

function servernameOf({ tls }: ClientOptions): { readonly servername?: string } {
  return tls?.servername === undefined ? {} : { servername: tls.servername };
}

function pick<Options, Name extends keyof Options>(
  options: Options,
  names: readonly Name[],
): Pick<Options, Name> {
  const given = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(given) as Pick<Options, Name>;
}
