import type { SecureServerOptions } from "node:http2";
import type { ServerOptions } from "node:https";
import { DEFAULT_CIPHERS, type SecureContextOptions, type Server } from "node:tls";
import type { Authenticator } from "./authenticator.ts";
import { keepTicketKeysFresh, sessionOptions } from "./session-tickets.ts";
import type { TrustedCas } from "./trusted-cas.ts";

/**
 * The post-quantum hybrid first (RFC 9794), asked for anew (HelloRetryRequest) from a client that knows it but guessed
 * otherwise: that is what OpenSSL's `/` means.
 */
const KEY_EXCHANGE = "X25519MLKEM768/X25519:prime256v1:secp384r1";

/**
 * Node's, with the suite first that every client knows (RFC 8446 §9.1): what a suite costs in a handshake is its hash, and
 * processors have instructions for SHA-256, for SHA-384 few.
 */
const CIPHERS = firstOf(DEFAULT_CIPHERS, "TLS_AES_128_GCM_SHA256");

/** Moves a name of a list to its beginning, if it is in it. */
function firstOf(list: string, name: string): string {
  const names = list.split(":");
  return names.includes(name) ? [name, ...names.filter((each) => each !== name)].join(":") : list;
}

/** A service's own certificate chain and key, PEM, as text or as a file was read. */
export interface TlsCertificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/**
 * The TLS options of a listener that asks every caller for a certificate. TLS itself refuses nobody, so that a denial
 * can say why. All of them, each time: a context that is set without `ca` would trust the public roots.
 *
 * @param sessionIdContext the listener's own, so that no session is resumed at another
 * @param resumption whether sessions may be resumed at all
 * @param ca whom to trust: our own issuers, unless it says otherwise; PEM
 */
export function askingTlsOptions(
  authenticator: Authenticator,
  certificate: TlsCertificate,
  sessionIdContext: string,
  resumption = true,
  ca: readonly string[] = authenticator.trust.own,
) {
  if (ca.length === 0) throw new Error("there is no CA to trust");
  return {
    ...certificate,
    ca: [...ca],
    sessionIdContext,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    ...sessionOptions(resumption),
  } satisfies ServerOptions;
}

/**
 * What one HTTP/2 session may cost. Resets are counted as Node does by default, in a smaller burst (CVE-2023-44487). Extended
 * CONNECT (RFC 8441) stays off: nobody would decide on what it carries.
 */
const http2Limits = {
  settings: { maxConcurrentStreams: 128, maxHeaderListSize: 16_384, enableConnectProtocol: false },
  maxSessionInvalidFrames: 100,
  maxHeaderListPairs: 100,
  streamResetBurst: 200,
  streamResetRate: 33,
} satisfies SecureServerOptions;

export interface EnforceTlsOptions {
  /** HTTP/2 over ALPN (no). */
  readonly http2?: boolean | undefined;
  /** Whether sessions may be resumed (yes). */
  readonly resumption?: boolean | undefined;
}

/** The TLS options of the enforcement listener, with those of HTTP/2 where it speaks that. */
export function enforceTlsOptions(
  authenticator: Authenticator,
  certificate: TlsCertificate,
  { http2 = false, resumption }: EnforceTlsOptions = {},
): ServerOptions {
  const anchors = authenticator.trust.ofCallers;
  const options = askingTlsOptions(authenticator, certificate, "countersign-enforce", resumption, anchors);
  return { ...options, ecdhCurve: KEY_EXCHANGE, ...(http2 ? { ...http2Limits, allowHTTP1: true } : {}) };
}

/**
 * A new issuing CA is trusted from its change on, by connections to come, with whatever certificate the server has then.
 * Each change of either, and each hour, ends the sessions that could be resumed.
 *
 * @param options what the server was made with
 * @param anchors whom it trusts
 */
export function followTrust(
  server: Server,
  authenticator: Authenticator,
  options: SecureContextOptions,
  anchors: () => string[] = () => authenticator.trust.own,
): void {
  keepTicketKeysFresh(server);
  const makeContext = server.setSecureContext.bind(server);
  const setContext = (context: SecureContextOptions): void => {
    makeContext(context);
    endChainsAtOurs(server, authenticator.trust);
  };
  const kept = { ...options, cert: undefined, key: undefined };
  let latest = options;
  server.setSecureContext = (renewed) => {
    // What a renewal leaves out Node would reset, the CAs to the public roots.
    latest = { ...kept, ...renewed, ca: renewed.ca ?? anchors() };
    setContext(latest);
  };
  const stop = authenticator.trust.onChanged(() => {
    setContext({ ...latest, ca: anchors() });
  });
  endChainsAtOurs(server, authenticator.trust);
  server.once("close", stop);
}

/**
 * Has chains end at any of our own CAs: that it leads to our root is verified when it is read, and would be in every handshake
 * once more, for a twelfth of what that costs. Node has the option (`allowPartialTrustChain`), but no server takes it. Where
 * another CA is trusted too, chains end at a root.
 */
function endChainsAtOurs(server: Server, trust: TrustedCas): void {
  // As Node's servers keep what they were given, and what they made of it.
  const { ca, _sharedCreds: made } = server as Server & {
    readonly ca?: unknown;
    readonly _sharedCreds?: { readonly context?: { setAllowPartialTrustChain?: () => void } };
  };
  if (Array.isArray(ca) && trust.areOwn(ca)) made?.context?.setAllowPartialTrustChain?.();
}
