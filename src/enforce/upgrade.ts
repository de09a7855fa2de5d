import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Server } from "node:tls";
import type { Caller } from "../domain/decision.ts";
import type { Scope } from "../domain/names.ts";
import type { Logger } from "../domain/ports.ts";
import type { Admission } from "./admission.ts";
import type { Authenticator } from "./authenticator.ts";
import { denyUpgrade } from "./denial.ts";
import { openEntrance } from "./guard.ts";
import { pathOf } from "./request-target.ts";
import { pendingAnswer } from "./transport.ts";

/** Takes a socket over that was let through, such as a WebSocket library's `handleUpgrade`. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller) => void;

export interface UpgradeRoute {
  readonly handler: UpgradeHandler;
  readonly covers: (path: string) => boolean;
  readonly scopesOf: (request: IncomingMessage) => readonly Scope[];
}

export interface UpgradeParts {
  readonly admission: Admission;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
}

const routes = new WeakMap<Server, UpgradeRoute[]>();

/** Decides on the upgrades of a guarded server, and hands those that are let through to the first route with their path. */
export function addUpgradeRoute(server: Server, route: UpgradeRoute, parts: UpgradeParts): void {
  const known = routes.get(server);
  if (known) {
    known.push(route);
    return;
  }
  const all = [route];
  routes.set(server, all);
  openEntrance(server, "upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy()); // Node leaves it to itself from here on
    if (pendingAnswer(socket)) {
      socket.destroy(); // of a request before it on the connection: whatever is written now would be in its midst
      return;
    }
    const path = pathOf(request);
    const found = all.find(({ covers }) => covers(path));
    upgrade(request, socket, head, found, parts).catch((error: unknown) => {
      parts.logger.error({ err: error }, "an upgrade failed");
      socket.destroy();
    });
  });
}

async function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  route: UpgradeRoute | undefined,
  { admission, authenticator }: UpgradeParts,
): Promise<void> {
  authenticator.connections.upgraded(socket); // before the decision: whatever changes from then on ends it
  const decision = await admission.ask(request, route?.scopesOf(request) ?? [], undefined);
  if (socket.destroyed) return;
  if (!decision.allowed) {
    denyUpgrade(socket, decision, admission.logDenial(request, decision));
    return;
  }
  if (!route) {
    denyUpgrade(socket, { code: "NO_ROUTE" }, randomUUID());
    return;
  }
  route.handler(request, socket, head, decision.caller);
}
