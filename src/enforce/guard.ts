import type { ServerHttp2Session } from "node:http2";
import { type SecureContextOptions, type Server, type TLSSocket, Server as TlsServer } from "node:tls";
import type { Limits } from "../domain/limits.ts";
import type { Logger } from "../domain/ports.ts";
import type { Admission } from "./admission.ts";
import type { Authenticator } from "./authenticator.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { holdSession } from "./session-limits.ts";
import { followTrust } from "./tls.ts";
import type { Incoming, Outgoing } from "./transport.ts";

const guarded = new WeakSet<Server>();
const own = new WeakSet<object>();

export interface GuardParts {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly limits: Limits;
  /** Told of what stands before the server. */
  readonly onGate?: ((gate: ConnectionGate) => void) | undefined;
}

/**
 * Has an https or HTTP/2 server's connections known from their handshake on, so that those that ask nothing are ended
 * with their credential too; lets in only so many at once; has it follow which CAs are trusted; closes the ways out of HTTP
 * that nobody decides on.
 * A second time, it does nothing.
 *
 * @param options what the server was made with
 * @throws TypeError for a server without TLS; Error for one that has listeners for `upgrade` or `connect`
 */
export function guardServer(
  server: Server,
  options: SecureContextOptions,
  { authenticator, logger, limits, onGate }: GuardParts,
): void {
  if (!(server instanceof TlsServer)) throw new TypeError("only a server with TLS can be guarded");
  if (guarded.has(server)) return;
  const ways = ["upgrade", "connect"];
  const open = ways.filter((event) => server.listenerCount(event) > 0);
  if (open.length > 0) throw new Error(`the server has listeners for ${open.join(" and ")}. ${HINT}`);
  closeEntrances(server, ways);
  guarded.add(server);
  const gate = new ConnectionGate(server, limits, logger);
  onGate?.(gate);
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    // Of HTTP/2, the session is what requests come by and what is ended.
    if (socket.alpnProtocol !== "h2") authenticator.connected(socket);
  });
  server.prependListener("session", (session: ServerHttp2Session) => {
    authenticator.connected(session);
    holdSession(session, limits);
  });
  server.on("unknownProtocol", (socket: TLSSocket) => {
    socket.destroy();
  });
  followTrust(server, authenticator, options, () => authenticator.trust.ofCallers);
}

export function isGuarded(server: Server): boolean {
  return guarded.has(server);
}

/**
 * Has a caller who announces a body (Expect: 100-continue) decided on before it is asked for; what is let through goes on as
 * any request. A server that has its own way with them keeps it.
 */
export function decideBeforeContinue(server: Server, admission: Admission): void {
  if (server.listenerCount("checkContinue") > 0) return;
  server.on("checkContinue", (request: Incoming, response: Outgoing) => {
    admission.admit(request, response, () => {
      response.writeContinue();
      server.emit("request", request, response);
    });
  });
}

/** From now on, nobody adds listeners for these events: what they got would not have been decided on. `openEntrance` may. */
export function closeEntrances(server: Server, events: readonly string[]): void {
  server.on("newListener", (event: string | symbol, listener: object) => {
    if (events.includes(String(event)) && !own.has(listener))
      throw new Error(`no listener for '${String(event)}' may be added. ${HINT}`);
  });
}

const HINT = "What it gets has not been decided on: use the enforcer's handler, or enforcer.upgrade().";

/** Adds a listener that decides. */
export function openEntrance(server: Server, event: string, listener: (...args: never[]) => void): void {
  own.add(listener);
  server.on(event, listener as (...args: unknown[]) => void);
}
