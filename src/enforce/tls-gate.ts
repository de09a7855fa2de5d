import type { Server, TLSSocket } from "node:tls";
import type { Decision, Denial } from "../domain/decision.ts";
import type { AdmissionParts } from "./admission.ts";

/**
 * Cuts off right after the handshake whoever would be refused by what is known then: no request of theirs is read.
 * Later refusals are answered as ever.
 */
export function refuseInTls(server: Server, parts: AdmissionParts): void {
  const { authenticator, logger } = parts;
  const cut = (socket: TLSSocket, { code, fingerprint, account }: Denial): void => {
    parts.onDecision?.(code, undefined, account);
    const { remoteAddress: address, authorizationError } = socket;
    logger.info({ code, fingerprint, account, address, authorizationError }, "refused in TLS");
    socket.destroy();
  };
  const serve = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  const settle = (socket: TLSSocket, decision: Decision): void => {
    if (!decision.allowed) cut(socket, decision);
    else if (!socket.destroyed) for (const listener of serve) listener.call(server, socket);
  };
  server.on("secureConnection", (socket: TLSSocket) => {
    const decision = authenticator.authorizeHandshake(socket);
    if (!(decision instanceof Promise)) {
      settle(socket, decision);
      return;
    }
    const ignore = (): void => undefined;
    socket.on("error", ignore); // nobody else listens until it is served
    void decision
      .then(
        (decided) => {
          settle(socket, decided);
        },
        (error: unknown) => {
          logger.error({ err: error }, "a decision failed");
          socket.destroy();
        },
      )
      .finally(() => socket.off("error", ignore));
  });
}
