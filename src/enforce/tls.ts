import type { Server, ServerOptions } from "node:https";
import type { SecureContextOptions } from "node:tls";
import type { Authenticator } from "./authenticator.ts";
import { keepTicketKeysFresh, sessionOptions } from "./session-tickets.ts";

/**
 * The post-quantum hybrid first (RFC 9794), asked for anew (HelloRetryRequest) from a client that knows it but guessed
 * otherwise: that is what OpenSSL's `/` means.
 */
const KEY_EXCHANGE = "X25519MLKEM768/X25519:prime256v1:secp384r1";

/**
 * The TLS options of a listener that asks every caller for a certificate. TLS itself refuses nobody, so that a denial
 * can say why. All of them, each time: a context that is set without `ca` would trust the public roots.
 *
 * @param sessionIdContext the listener's own, so that no session is resumed at another
 * @param resumption whether sessions may be resumed at all
 */
export function askingTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
  sessionIdContext: string,
  resumption = true,
) {
  const ca = authenticator.trustAnchors;
  if (ca.length === 0) throw new Error("there is no CA to trust");
  return {
    ...certificate,
    ca,
    sessionIdContext,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ...sessionOptions(resumption),
  } satisfies ServerOptions;
}

/** The TLS options of the enforcement listener. */
export function enforceTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
  resumption?: boolean,
): ServerOptions {
  const options = askingTlsOptions(authenticator, certificate, "countersign-enforce", resumption);
  return { ...options, ecdhCurve: KEY_EXCHANGE };
}

/**
 * A new issuing CA is trusted from its change on, by connections to come, with whatever certificate the server has then.
 * Each change of either, and each hour, ends the sessions that could be resumed.
 *
 * @param options what the server was made with
 */
export function followTrust(
  server: Server,
  authenticator: Authenticator,
  options: SecureContextOptions,
): void {
  keepTicketKeysFresh(server);
  const setContext = server.setSecureContext.bind(server);
  let latest = options;
  server.setSecureContext = (renewed) => {
    latest = renewed;
    setContext(renewed);
  };
  const stop = authenticator.onTrustChanged(() => {
    setContext({ ...latest, ca: authenticator.trustAnchors });
  });
  server.once("close", stop);
}
