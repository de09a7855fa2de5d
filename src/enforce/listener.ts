import { constants, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, type ServerOptions, createServer } from "node:https";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { Caller, Decision } from "../domain/decision.ts";
import { type DenialCode, errorTable } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { problem } from "../domain/problem.ts";
import { SECOND } from "../domain/time.ts";
import type { Authenticator } from "./authenticator.ts";
import { pathOf } from "./request-target.ts";

/** Serves a call that was let through. */
export type Handler = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

export interface EnforceListenerParts {
  readonly authenticator: Authenticator;
  /** PEM. */
  readonly certificate: { readonly cert: string; readonly key: string };
  readonly logger: Logger;
  readonly handler: Handler;
  /** Told of every decision, for the metrics. */
  readonly onDecision?: (code: DenialCode | "ALLOWED") => void;
}

/** The denials after which the same connection can never do better. */
const hopeless: readonly DenialCode[] = [
  "CERT_REQUIRED",
  "CERT_UNTRUSTED",
  "CERT_PURPOSE",
  "CERT_EXPIRED",
  "CERT_REVOKED",
  "MISDIRECTED",
];

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
 */
export function askingTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
  sessionIdContext: string,
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
    // A TLS 1.2 client could present another certificate in a renegotiation.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  } satisfies ServerOptions;
}

/** The TLS options of the enforcement listener. */
export function enforceTlsOptions(
  authenticator: Authenticator,
  certificate: { readonly cert: string; readonly key: string },
): ServerOptions {
  const options = askingTlsOptions(authenticator, certificate, "countersign-enforce");
  return { ...options, ecdhCurve: KEY_EXCHANGE };
}

/**
 * An https server on which every request is decided before `handler` sees it. Add no listeners for `request`, `upgrade`,
 * `connect` or `checkContinue`: what they get has not been decided on.
 */
export function createEnforceListener(parts: EnforceListenerParts): Server {
  const { authenticator } = parts;
  const server = createServer(
    {
      ...enforceTlsOptions(authenticator, parts.certificate),
      handshakeTimeout: 10 * SECOND,
      headersTimeout: 15 * SECOND,
      requestTimeout: 60 * SECOND,
      keepAliveTimeout: 65 * SECOND,
    },
    (request, response) => {
      serve(parts, request, response);
    },
  );
  server.on("secureConnection", (socket: TLSSocket) => {
    authenticator.connected(socket);
  });
  followTrust(server, authenticator, enforceTlsOptions(authenticator, parts.certificate));
  // Every entrance that Node offers leads through the decision: a caller is not even told to go on before it.
  const continuing: Handler = (request, response, caller) => {
    response.writeContinue();
    parts.handler(request, response, caller);
  };
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    serve({ ...parts, handler: continuing }, request, response);
  });
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    serve({ ...parts, handler: refuseExpectation }, request, response);
  });
  return server;
}

/**
 * A new issuing CA is trusted from its change on, by connections to come, with whatever certificate the server has then.
 *
 * @param options what the server was made with
 */
export function followTrust(
  server: Server,
  authenticator: Authenticator,
  options: SecureContextOptions,
): void {
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

const refuseExpectation: Handler = (_request, response) => {
  response.writeHead(417, { Connection: "close" }).end();
};

function serve(parts: EnforceListenerParts, request: IncomingMessage, response: ServerResponse): void {
  const decision = parts.authenticator.authorize(request);
  if (!(decision instanceof Promise)) {
    answer(parts, request, response, decision);
    return;
  }
  void decision.then(
    (decided) => {
      answer(parts, request, response, decided);
    },
    (error: unknown) => {
      parts.logger.error({ err: error }, "a decision failed");
      deny(response, "STATUS_UNAVAILABLE", randomUUID());
    },
  );
}

function answer(
  parts: EnforceListenerParts,
  request: IncomingMessage,
  response: ServerResponse,
  decision: Decision,
): void {
  parts.authenticator.connections.answering(request.socket, response);
  parts.onDecision?.(decision.allowed ? "ALLOWED" : decision.code);
  if (decision.allowed) {
    parts.handler(request, response, decision.caller);
    return;
  }
  const requestId = randomUUID();
  const { code, fingerprint, account } = decision;
  const fields = {
    requestId,
    code,
    fingerprint,
    account,
    address: request.socket.remoteAddress,
    method: request.method,
    path: pathOf(request),
  };
  parts.logger.info(fields, "denied");
  deny(response, code, requestId);
}

/** Answers with the problem document of a denial. */
export function deny(response: ServerResponse, code: DenialCode, requestId: string): void {
  const [status] = errorTable[code];
  response.statusCode = status;
  // RFC 9110 §15.5.2 wants a challenge; no scheme is registered for client certificates.
  if (status === 401) response.setHeader("WWW-Authenticate", 'Certificate realm="countersign"');
  if (status === 503) response.setHeader("Retry-After", "5");
  if (hopeless.includes(code)) response.setHeader("Connection", "close");
  response.setHeader("Content-Type", "application/problem+json");
  response.setHeader("Cache-Control", "no-store");
  response.end(`${JSON.stringify(problem(code, requestId))}\n`);
}
