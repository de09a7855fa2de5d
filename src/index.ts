import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Server } from "node:https";
import { hostname } from "node:os";
import { homeDirectory, readConfigFile, resolveConfig } from "./config.ts";
import type { Decision } from "./domain/decision.ts";
import { parseScope } from "./domain/names.ts";
import type { Logger } from "./domain/ports.ts";
import { Enforcer as Core } from "./enforce/enforcer.ts";
import { type Handler, createEnforceListener } from "./enforce/listener.ts";
import { openState, systemClock } from "./home/open.ts";

export type { Caller, Decision } from "./domain/decision.ts";
export type { DenialCode } from "./domain/errors.ts";
export type { Logger } from "./domain/ports.ts";
export type { Handler } from "./enforce/listener.ts";

/** Decides who may call a service in this process, by the same rules and records as `countersign serve`. */
export interface Enforcer {
  /**
   * An https server that asks every caller for a certificate and lets `handler` see only what was let through.
   *
   * @param tls the service's own certificate chain and key, PEM
   */
  createServer(handler: Handler, tls: { readonly cert: string; readonly key: string }): Server;
  /** Decides on one request of such a server, also asking for scopes such as `orders:read`. */
  authorize(request: IncomingMessage, ...scopes: string[]): Promise<Decision>;
  /** Lets go of the database. Close the servers first. */
  close(): Promise<void>;
}

const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Opens a home's records and follows them: a revocation takes hold within 250 ms, open connections included.
 *
 * @example
 * const enforcer = await createEnforcer({ home: "./ca" });
 * const server = enforcer.createServer((request, response, caller) => {
 *   response.end(`hello ${caller.account}\n`);
 * }, { cert, key });
 * server.listen(9443);
 *
 * @param options.home an initialised home; its database is used, its keys are not
 * @param options.logger where denials and faults go, such as a pino logger (nowhere)
 * @throws Error with a stable `code`: HOME_MISSING, CONFIG_INVALID, UNAVAILABLE.
 */
export async function createEnforcer(options: {
  readonly home: string;
  readonly logger?: Logger;
}): Promise<Enforcer> {
  const { logger = silent } = options;
  const home = homeDirectory(options.home, process.env);
  const database = await openState(resolveConfig(home, {}, process.env, readConfigFile(home)));
  try {
    const identity = { id: randomUUID(), pid: process.pid, host: hostname() };
    const core = await Core.start({ database, clock: systemClock, logger, identity });
    return {
      createServer: (handler, certificate) =>
        createEnforceListener({ enforcer: core, certificate, logger, handler }),
      authorize: async (request, ...scopes) => core.authorize(request, scopes.map(parseScope)),
      async close() {
        await core.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
