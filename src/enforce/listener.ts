import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Caller, Decision } from "../domain/decision.ts";
import type { DenialCode } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import type { Authenticator } from "./authenticator.ts";
import { deny } from "./denial.ts";
import { pathOf } from "./request-target.ts";
import { enforceTlsOptions, followTrust } from "./tls.ts";

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
  const anchors = (): string[] => authenticator.callerAnchors;
  followTrust(server, authenticator, enforceTlsOptions(authenticator, parts.certificate), anchors);
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
