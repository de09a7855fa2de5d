import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Caller, Decision } from "../domain/decision.ts";
import type { DenialCode } from "../domain/errors.ts";
import { type Limits, defaultLimits } from "../domain/limits.ts";
import type { Logger } from "../domain/ports.ts";
import type { Authenticator } from "./authenticator.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { deny } from "./denial.ts";
import { pathOf } from "./request-target.ts";
import { holdToLimits, serverOptions } from "./request-limits.ts";
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
  /** Whether TLS sessions may be resumed (yes). */
  readonly resumption?: boolean | undefined;
  readonly limits?: Limits;
  /** Told of what stands before the server, for the metrics. */
  readonly onGate?: (gate: ConnectionGate) => void;
}

/**
 * An https server on which every request is decided before `handler` sees it. Add no listeners for `request`, `upgrade`,
 * `connect` or `checkContinue`: what they get has not been decided on.
 */
export function createEnforceListener(parts: EnforceListenerParts): Server {
  const { authenticator, limits = defaultLimits } = parts;
  const tls = enforceTlsOptions(authenticator, parts.certificate, parts.resumption);
  const server = createServer({ ...tls, ...serverOptions(limits) }, (request, response) => {
    serve(parts, request, response);
  });
  const gate = new ConnectionGate(server, limits, parts.logger);
  parts.onGate?.(gate);
  server.on("secureConnection", (socket: TLSSocket) => {
    authenticator.connected(socket);
  });
  followTrust(server, authenticator, tls);
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
  if (!holdToLimits(request, response, parts.limits ?? defaultLimits)) return;
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
