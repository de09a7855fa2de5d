import type { IncomingMessage, ServerResponse } from "node:http";
import { type Http2SecureServer, createSecureServer } from "node:http2";
import { type Server, createServer } from "node:https";
import type { Caller } from "../domain/decision.ts";
import { type ExcessCode, Refusal } from "../domain/errors.ts";
import { type Limits, defaultLimits } from "../domain/limits.ts";
import type { Scope } from "../domain/names.ts";
import { Admission, type AdmissionParts, type Handler } from "./admission.ts";
import type { ConnectionGate } from "./connection-gate.ts";
import { closeEntrances, guardServer, openEntrance } from "./guard.ts";
import { type OpenPath, OpenPaths } from "./open-paths.ts";
import { answerParserFaults } from "./parser-faults.ts";
import { holdToLimits, serverOptions } from "./request-limits.ts";
import { refuseInTls } from "./tls-gate.ts";
import type { Incoming, Outgoing } from "./transport.ts";
import { type EnforceTlsOptions, type TlsCertificate, enforceTlsOptions } from "./tls.ts";
import { type UpgradeHandler, addUpgradeRoute } from "./upgrade.ts";

export type { Handler } from "./admission.ts";

/** Serves also what needs no certificate: there, nobody is known to be calling. */
export type OpenHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller | undefined,
) => void;

export interface ListenerOptions extends EnforceTlsOptions {
  /** Of how much the server takes on; times in milliseconds, sizes in octets (docs/operations.md). */
  readonly limits?: Limits | undefined;
  /** Paths that need no certificate (none). */
  readonly open?: readonly OpenPath[] | undefined;
  /** Cuts whoever is refused off at the handshake, where an answer would say why (no). Not together with `open`. */
  readonly refuseInTls?: boolean | undefined;
}

export interface EnforceListenerParts extends AdmissionParts, ListenerOptions {
  /** PEM. */
  readonly certificate: TlsCertificate;
  /** With `open`, an OpenHandler. */
  readonly handler: Handler;
  /** How large a request may be, where it is not the same for all. */
  readonly limitsOf?: ((request: Incoming) => Pick<Limits, "headerCount" | "bodySize">) | undefined;
  /** What a request has to be allowed (nothing but to call). */
  readonly scopesOf?: ((request: Incoming) => readonly Scope[]) | undefined;
  /** Takes over connections that leave HTTP and were let through (none is). */
  readonly upgrade?: UpgradeHandler | undefined;
  /** Told of what stands before the server, for the metrics. */
  readonly onGate?: (gate: ConnectionGate) => void;
}

/**
 * An https server on which every request is decided before `handler` sees it. Other listeners for requests, upgrades and
 * the like cannot be added: what they got would not have been decided on.
 *
 * @throws Refusal CONFIG_INVALID
 */
export function createEnforceListener(
  parts: EnforceListenerParts & { readonly http2: true },
): Http2SecureServer;
export function createEnforceListener(
  parts: EnforceListenerParts & { readonly http2?: false | undefined },
): Server;
export function createEnforceListener(parts: EnforceListenerParts): Server | Http2SecureServer;
export function createEnforceListener(parts: EnforceListenerParts): Server | Http2SecureServer {
  const { authenticator, certificate } = parts;
  if (parts.refuseInTls === true && parts.open !== undefined)
    throw new Refusal("CONFIG_INVALID", "open: no path is open when TLS refuses (refuseInTls).");
  const { limits = defaultLimits } = parts;
  const options = enforceTlsOptions(authenticator, certificate, parts);
  const held = serverOptions(limits);
  const server =
    parts.http2 === true
      ? Object.assign(createSecureServer({ ...options, ...held, allowHTTP1: true }), held)
      : createServer({ ...options, ...held });
  guardServer(server, options, { ...parts, limits });
  enter(server, parts);
  if (parts.refuseInTls === true) refuseInTls(server, parts);
  return server;
}

/** Every entrance that Node offers leads through the decision: a caller is not even told to go on before it. */
function enter(server: Server | Http2SecureServer, parts: EnforceListenerParts): void {
  const { handler, limits = defaultLimits } = parts;
  const admission = new Admission(parts);
  const open = parts.open && new OpenPaths(parts.open);
  const continuing: Handler = (request, response, caller) => {
    response.writeContinue();
    handler(request, response, caller);
  };
  const onCut = (request: Incoming, response: Outgoing): void => {
    admission.cut(request, response);
  };
  const excessive = (code: ExcessCode): Handler => {
    return (request, response) => {
      admission.exceeds(request, response, code);
    };
  };
  const served = (handle: Handler) => (request: IncomingMessage, response: ServerResponse) => {
    const excess = holdToLimits(request, response, parts.limitsOf?.(request) ?? limits, onCut);
    // Only to whom the decision lets through: a stranger is told nothing but that.
    const by = excess === undefined ? handle : excessive(excess);
    // Whatever it is told: the rest of such a body would be read and thrown away.
    if (excess !== undefined && request.httpVersionMajor === 1) response.setHeader("Connection", "close");
    if (open?.covers(request) !== true) {
      admission.admit(request, response, by, parts.scopesOf?.(request));
      return;
    }
    admission.admitUnasked(request, response);
    (by as OpenHandler)(request, response, undefined);
  };
  openEntrance(server, "request", served(handler));
  openEntrance(server, "checkContinue", served(continuing));
  openEntrance(server, "checkExpectation", served(refuseExpectation));
  answerParserFaults(server, admission);
  const { upgrade: onUpgrade, scopesOf = () => [] } = parts;
  if (onUpgrade) {
    addUpgradeRoute(server, { handler: onUpgrade, covers: () => true, scopesOf }, { ...parts, admission });
  }
  // HTTP/2's own way to requests is Node's: it leads to these.
  closeEntrances(server, ["request", "checkContinue", "checkExpectation", "stream"]);
}

const refuseExpectation: Handler = (request, response) => {
  if (request.httpVersionMajor < 2) response.setHeader("Connection", "close");
  response.writeHead(417).end();
};
