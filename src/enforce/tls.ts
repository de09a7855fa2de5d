import { constants } from "node:crypto";
import type { Server, ServerOptions } from "node:https";
import type { SecureContextOptions } from "node:tls";
import type { Authenticator } from "./authenticator.ts";

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
 * @param ca whom to trust: our own issuers, unless it says otherwise; PEM
 */
export function askingTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
  sessionIdContext: string,
  ca: readonly string[] = authenticator.trustAnchors,
) {
  if (ca.length === 0) throw new Error("there is no CA to trust");
  return {
    ...certificate,
    ca: [...ca],
    sessionIdContext,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    // A TLS 1.2 client could present another certificate in a renegotiation.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  } satisfies ServerOptions;
}

/** The TLS options of the enforcement listener. */
export function enforceTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
): ServerOptions {
  const options = askingTlsOptions(
    authenticator,
    certificate,
    "countersign-enforce",
    authenticator.callerAnchors,
  );
  return { ...options, ecdhCurve: KEY_EXCHANGE };
}

/**
 * A new issuing CA is trusted from its change on, by connections to come, with whatever certificate the server has then.
 *
 * @param options what the server was made with
 * @param anchors whom it trusts
 */
export function followTrust(
  server: Server,
  authenticator: Authenticator,
  options: SecureContextOptions,
  anchors: () => string[] = () => authenticator.trustAnchors,
): void {
  const setContext = server.setSecureContext.bind(server);
  let latest = options;
  server.setSecureContext = (renewed) => {
    latest = renewed;
    setContext(renewed);
  };
  const stop = authenticator.onTrustChanged(() => {
    setContext({ ...latest, ca: anchors() });
  });
  server.once("close", stop);
}
